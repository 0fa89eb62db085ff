"""What a study asks, as a typed description that a mapping is read into; everything that needs no model is checked here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aurorascope.blocks import BY_ID, nearest_block
from aurorascope.errors import UserError
from aurorascope.interventions import Ablate, Clamp, Edit, Gain, Mean, Normal, PositionMean, Reference, Scale
from aurorascope.interventions.ids import Asked, FeatureId, read_features
from aurorascope.studies.keys import EDIT_KEYS
from aurorascope.studies.outcomes import KINDS, FeatureMean, Outcome
from aurorascope.studies.reading import (
    MOST,
    MOST_SEED,
    check_dates,
    check_integer,
    check_keys,
    check_list,
    check_name,
    check_number,
    check_title,
    nearest,
    reads_as_number,
    saying,
)
from aurorascope.studies.where import Where

DOSES = (0.25, 0.5, 1.0, 2.0)
REFERRING = {"normal": Normal, "mean": Mean, "position_mean": PositionMean, "gain": Gain}
_VALUED = {"scale": "factor", "clamp": "value", "gain": "gain"}
_EDITS = ("ablate", "scale", "clamp", *REFERRING)


@dataclass(frozen=True)
class Change:
    """What becomes of the features.

    Attributes:
        kind: ablate, scale, clamp, normal, mean, position_mean or gain, as the edits of `interventions`.
        value: factor of scale, value of clamp (a number or such as "2*p99"), gain of gain; None for others.
    """

    kind: str
    value: float | str | None = None

    @property
    def needs_reference(self) -> bool:
        """Whether it asks what features usually are."""
        return self.kind in REFERRING or isinstance(self.value, str)

    def edit(self, features: tuple[FeatureId, ...], reference: Reference | None) -> Edit:
        """The edit of some features.

        Raises:
            UserError: its value is none that the edit takes, or a reference is missing.
        """
        named = list(features)
        if self.kind == "ablate":
            return Ablate(named)
        if self.kind == "scale":
            return Scale(named, self.value)
        if self.kind == "clamp":
            return Clamp(named, self.value, reference)
        return REFERRING[self.kind](named, reference, **({"gain": self.value} if self.kind == "gain" else {}))


@dataclass(frozen=True)
class Study:
    """One question: what does an edit of these features, there and then, do to these outcomes.

    Attributes:
        name: of the study.
        block: id of the edited block.
        features: number and sign of each (sign None where none was named).
        change: what becomes of them.
        where: region of the edit.
        dates: `YYYY-MM-DD`, ascending.
        outcomes: what is looked at; the first one's verdict is the study's.
        steps: forecast steps; the verdict is on the last.
        expected_sign: of the first outcome's effect, 1 or -1; None where none is expected.
        seed: of the choice of controls and the draws of directions and intervals.
        n_controls: random features, and as many random directions.
        placebo_degrees: how far east the placebo region lies.
        edit_steps: steps in which the edit is made, from 0, ascending.
    """

    name: str
    block: str
    features: tuple[Asked, ...]
    change: Change
    where: Where
    dates: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    steps: int = 1
    expected_sign: int | None = None
    seed: int = 0
    n_controls: int = 20
    placebo_degrees: float = 180.0
    edit_steps: tuple[int, ...] = (0,)


def read_study(given: Mapping[str, Any]) -> Study:
    """A study from a mapping.

    Args:
        given: keys name, block, features (numbers or [number, sign]), edit (a kind, or {kind: value}), region, dates, outcomes
            (a list of mappings, each with `kind`), and where wanted steps, edit_steps, expected_sign, seed, n_controls, placebo_degrees.

    Raises:
        UserError: an unknown key, block, edit or outcome (the message names the nearest), or a value of another form.
    """
    needed, optional = ("name", *EDIT_KEYS[0]), EDIT_KEYS[1]
    given = check_keys("the study", given, needed + optional, needed)
    block, sign, degrees = given["block"], given.get("expected_sign"), given.get("placebo_degrees", 180.0)
    if not isinstance(block, str) or block not in BY_ID:
        raise UserError("the study, block", "a block of Aurora", repr(block), nearest_block(block))
    check_sign(sign)
    if not reads_as_number(degrees) or not 0 < float(degrees) < 360:
        raise UserError("the study, placebo_degrees", "degrees east between 0 and 360", repr(degrees), "correct it")
    asked = [tuple(each) if isinstance(each, list) else each for each in check_list("the study, features", given["features"])]
    outcomes, steps = read_outcomes(given["outcomes"]), check_integer("the study, steps", given.get("steps", 1), 1)
    return Study(
        name=check_name("the study, name", given["name"]), block=block,
        features=read_features("the study, features", asked), change=_change(given["edit"]),
        where=Where.read("the study, region", given.get("region")), dates=check_dates("the study, dates", given["dates"]), outcomes=outcomes,
        steps=steps, edit_steps=_edit_steps(given.get("edit_steps", [0]), steps), expected_sign=sign,
        seed=check_integer("the study, seed", given.get("seed", 0), 0, MOST_SEED),
        n_controls=check_integer("the study, n_controls", given.get("n_controls", 20), 1), placebo_degrees=float(degrees),
    )


def _change(given: Any) -> Change:
    kind, value = given, None
    if isinstance(given, Mapping) and len(given) == 1:
        kind, value = next(iter(given.items()))
    if kind not in _EDITS:
        raise UserError("the study, edit", f"one of {', '.join(_EDITS)}", repr(kind), nearest(kind, _EDITS))
    if (kind in _VALUED) != (value is not None):
        expected = f"{{{kind}: {_VALUED[kind]}}}" if kind in _VALUED else f"{kind} alone"
        raise UserError("the study, edit", expected, repr(given), "correct it")
    where = f"the study, edit, {kind}"
    if kind in _VALUED:
        # A clamp's text may be a multiple of a percentile.
        value = value if kind == "clamp" and isinstance(value, str) and not reads_as_number(value) else check_number(where, value, MOST)
    if kind in ("scale", "gain") and value == 1:
        raise UserError(where, "a number other than 1, which changes nothing", "1", "correct it")
    found = Change(kind, value)
    with saying(where):
        # Edits refuse what no value of theirs is; what is usual is known later.
        found.edit(((0, 1),), Reference({}))
    return found


def _edit_steps(given: Any, steps: int) -> tuple[int, ...]:
    where = "the study, edit_steps"
    found = [check_integer(where, each, 0) for each in check_list(where, given)]
    if len(set(found)) < len(found) or max(found) >= steps:
        raise UserError(where, f"steps 0 to {steps - 1}, each once", repr(found), "correct it, or raise steps")
    return tuple(sorted(found))


def check_sign(given: Any) -> int | None:
    """The sign that the first outcome's effect is expected to have, or None."""
    if isinstance(given, bool) or not isinstance(given, int | None) or given not in (None, 1, -1):
        raise UserError("the study, expected_sign", "1, -1 or none", repr(given), "correct it")
    return given


def read_outcomes(given: Any) -> tuple[Outcome, ...]:
    """Outcomes, each name once."""
    outcomes = tuple(_outcome(at, each) for at, each in enumerate(check_list("the study, outcomes", given)))
    names = [each.name for each in outcomes]
    if len(set(names)) < len(names):
        raise UserError("the study, outcomes", "each name once", ", ".join(names), "rename one")
    return outcomes


def _outcome(at: int, given: Any) -> Outcome:
    where = f"the study, outcome {at}"
    kind = given.get("kind") if isinstance(given, Mapping) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise UserError(where, f"a mapping with kind, one of {', '.join(KINDS)}", repr(kind), nearest(kind, KINDS))
    if given.get("name") is not None:
        check_title(f"{where}, name", given["name"])
    return KINDS[kind].read(where, {key: value for key, value in given.items() if key != "kind"})


def feature_outcomes(study: Study) -> list[FeatureMean]:
    """The outcomes that are features."""
    return [each for each in study.outcomes if isinstance(each, FeatureMean)]
