"""What a study of changed inputs asks, as a typed description that a mapping is read into; what needs no data is checked here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from aurorascope.blocks import BY_ID, nearest_block
from aurorascope.errors import UserError
from aurorascope.perturbations.inputs import find_variable
from aurorascope.perturbations.logarithms import EMISSIONS
from aurorascope.perturbations.operations import Operation
from aurorascope.perturbations.regions import AnyOf, Region
from aurorascope.perturbations.scores import DOSES as SMALL_DOSES
from aurorascope.studies.input_changes import InputChange
from aurorascope.studies.keys import INPUT_KEYS
from aurorascope.studies.outcomes import Outcome
from aurorascope.studies.reading import (
    MOST_SEED,
    check_dates,
    check_each_once,
    check_integer,
    check_keys,
    check_list,
    check_name,
    nearest,
)
from aurorascope.studies.study import check_sign, read_outcomes

DOSES = tuple(sorted({*SMALL_DOSES, -1.0, 1.0}))
"""Shares of the change that are made, and of its reverse; the verdict is on the whole of it."""


@dataclass(frozen=True)
class InputStudy:
    """One question: what does this change of Aurora's inputs do to these outcomes, and which features respond.

    Attributes:
        name: of the study.
        perturb: the changes, each made of what the one before left.
        dates: `YYYY-MM-DD`, ascending.
        outcomes: what is looked at; the first one's verdict is the study's.
        blocks: whose features' responses are wanted, in forward order.
        steps: forecast steps; the verdict is on the last.
        expected_sign: of the first outcome's effect, 1 or -1; None where none is expected.
        seed: of the draws of red noise, intervals and sign flips.
        n_controls: draws of red noise.
        others: variables (for a change of emissions alone: emissions) that are changed as much instead; empty for those that
            `input_arms` takes by itself.
    """

    name: str
    perturb: tuple[InputChange, ...]
    dates: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    blocks: tuple[str, ...] = ()
    steps: int = 1
    expected_sign: int | None = None
    seed: int = 0
    n_controls: int = 20
    others: tuple[str, ...] = ()

    @property
    def needs_mean(self) -> bool:
        """Whether it asks what variables are on average."""
        return any(each.kind == "replace_by_mean" for each in self.perturb)

    @property
    def region(self) -> Region:
        """Where something changes."""
        regions = tuple(dict.fromkeys(each.region for each in self.perturb))
        return regions[0] if len(regions) == 1 else AnyOf(regions)

    def operations(self, dose: float = 1.0, mean: xr.Dataset | None = None, degrees: float = 0.0) -> list[Operation]:
        """All changes as operations; see `InputChange.operation`."""
        return [each.operation(dose, mean, degrees) for each in self.perturb]


def read_input_study(given: Mapping[str, Any]) -> InputStudy:
    """A study of changed inputs from a mapping.

    Args:
        given: keys name, perturb (a list of mappings, each of one of scale, add_plume, replace_by_mean, scale_emission and
            add_red_noise to its keys), dates, outcomes (a list of mappings, each with `kind`), and where wanted blocks, steps,
            expected_sign, seed, n_controls, others.

    Raises:
        UserError: an unknown key, change, outcome, variable or block (the message names the nearest), or a value of another form.
    """
    needed, optional = ("name", *INPUT_KEYS[0]), INPUT_KEYS[1]
    given = check_keys("the study", given, needed + optional, needed)
    changes = [InputChange.read(f"the study, change {at}", each) for at, each in enumerate(check_list("the study, perturb", given["perturb"]))]
    blocks = check_list("the study, blocks", given["blocks"]) if given.get("blocks") else []
    for block in blocks:
        if not isinstance(block, str) or block not in BY_ID:
            raise UserError("the study, blocks", "blocks of Aurora", repr(block), nearest_block(block))
    check_each_once("the study, blocks", blocks, "block")
    return InputStudy(
        name=check_name("the study, name", given["name"]), perturb=tuple(changes),
        dates=check_dates("the study, dates", given["dates"]), outcomes=read_outcomes(given["outcomes"]),
        blocks=tuple(sorted(blocks, key=lambda block: BY_ID[block].depth_index)),
        steps=check_integer("the study, steps", given.get("steps", 1), 1), expected_sign=check_sign(given.get("expected_sign")),
        seed=check_integer("the study, seed", given.get("seed", 0), 0, MOST_SEED),
        n_controls=check_integer("the study, n_controls", given.get("n_controls", 20), 1), others=_others(changes, given.get("others")),
    )


def _others(changes: list[InputChange], given: Any) -> tuple[str, ...]:
    if given is None:
        return ()
    names = check_list("the study, others", given)
    if all(change.kind == "scale_emission" for change in changes):
        for name in names:
            if name not in EMISSIONS:
                raise UserError("the study, others", f"some of {', '.join(EMISSIONS)}", repr(name), nearest(name, EMISSIONS))
    else:
        names = [find_variable(str(name)).aurora for name in names]
    check_each_once("the study, others", names, "variable")
    return tuple(names)
