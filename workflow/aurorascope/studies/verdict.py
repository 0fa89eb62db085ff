"""One word for each outcome of a study, and the numbers behind it, from its table of effects."""

import datetime
import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from aurorascope.streams import Stream, generator
from aurorascope.studies.outcomes import Outcome
from aurorascope.studies.study import Study
from aurorascope.studies.tracks import Track

WORDS = ("diverged_at_step", "track lost", "no exposure", "within floor", "too few controls", "not beyond controls", "effect")
"""In the order in which they are asked."""

# Share of its 99th percentile that a feature's exposure reaches at least; floors that an effect exceeds; matched controls needed.
LEAST_EXPOSURE, FLOORS, FEWEST_CONTROLS = 0.05, 3.0, 10
_QUANTILE, _BENT, _CLUSTER_DAYS, _RESAMPLED, _INTERVAL = 0.95, 0.1, 10, 2000, (0.025, 0.975)
_FEW_CLUSTERS = 20
FEWEST_CLUSTERS = 5
"""Of fewer clusters an interval is little but the dates themselves, which pages show instead."""


class Asked(Protocol):
    """What a verdict needs to know of a study."""

    outcomes: tuple[Outcome, ...]
    steps: int
    expected_sign: int | None
    seed: int


def judge(study: Study, effects: pd.DataFrame, outcome: str) -> dict[str, Any]:
    """The verdict on one outcome at the last step.

    An effect is the mean over dates of the outcome's change at dose 1. The floor is the mean over dates of the larger of what the
    clean run differs from itself by and one rounding of the clean forecast. Controls are the matched features and the random
    directions; p = (1 + number of them at least as large) / (1 + number of them), which describes and tests nothing.

    Args:
        study: the study.
        effects: as in `StudyResult`.
        outcome: the outcome's name.

    Returns:
        word, effect, floor, threshold and n of controls, p, slope, antisymmetry, doses, linear_to, on_target, collateral, interval; for a
        track also in how many runs of each kind of arm it was lost in the last step.
    """
    rows, means = rows_of(study, effects, outcome)
    feature, at_one = means["feature_1"], rows[rows.arm == "feature_1"]
    is_exposed = column(at_one, "exposure_share") >= LEAST_EXPOSURE
    floor = floor_of(rows)
    sizes = {kind: sizes_of(rows, means, kind) for kind in ("control", "direction")}
    found = {
        "effect": feature, "floor": floor, **bar(np.concatenate(list(sizes.values())), feature), "n_controls": len(sizes["control"]),
        "n_directions": len(sizes["direction"]), "n_exposed": int(is_exposed.sum()), "n_dates": len(at_one),
        "arms": {name: means[name] for name in means if name in ("reconstruction_1", "difference_of_means_1", "placebo_1")},
        **doses_of(rows, means, floor, FEATURE_LADDER), **on_target(at_one), **interval(study, at_one),
    }
    found |= lost_of(study, rows, outcome)
    return {"word": word_of(found, at_one), "sign_as_expected": sign_of(study, outcome, feature), **found}


def rows_of(study: Asked, effects: pd.DataFrame, outcome: str) -> tuple[pd.DataFrame, dict[str, float]]:
    """The rows of an outcome at the last step, and the mean over dates of each arm's effect."""
    rows = effects[(effects.outcome == outcome) & (effects.step == study.steps)]
    return rows, {name: float(column(part, "effect").sum() / len(part)) for name, part in rows.groupby("arm", sort=False)}


def lost_of(study: Asked, rows: pd.DataFrame, outcome: str) -> dict[str, dict[str, int]]:
    """Of a track, in how many runs of each kind of arm it was lost; nothing for other outcomes."""
    if not any(isinstance(each, Track) and each.name == outcome for each in study.outcomes):
        return {}
    is_lost = np.isnan(column(rows, "effect")) & (rows.diverged_at_step == 0)
    return {"n_lost": {kind: int(is_lost[rows.kind == kind].sum()) for kind in rows.kind.unique()}}


def floor_of(rows: pd.DataFrame) -> float:
    """Mean over dates of the larger of what the clean run differs from itself by and one rounding of it."""
    again = rows[rows.kind == "clean_again"]
    return float(np.maximum(np.abs(column(again, "effect")), column(again, "rounding")).sum() / len(again))


def bar(sizes: np.ndarray, effect: float) -> dict[str, float]:
    """The controls' 95th percentile, NaN for none, and p of an effect among them."""
    threshold = float(np.quantile(sizes, _QUANTILE, method="higher")) if len(sizes) else math.nan
    return {"controls_95": threshold, "p": (1 + int((sizes >= abs(effect)).sum())) / (1 + len(sizes))}


def word_of(found: dict[str, Any], at_one: pd.DataFrame) -> str:
    """The word of an outcome from the numbers found, in the order of `WORDS`."""
    if not np.isfinite(column(at_one, "effect")).all():
        return "track lost" if "n_lost" in found and not (at_one.diverged_at_step > 0).any() else "diverged_at_step"
    if found["n_dates"] - found["n_exposed"] > found["n_dates"] / 2:
        return "no exposure"
    if abs(found["effect"]) <= FLOORS * found["floor"]:
        return "within floor"
    if found["n_controls"] < FEWEST_CONTROLS:
        return "too few controls"
    return "effect" if abs(found["effect"]) > found["controls_95"] else "not beyond controls"


def sign_of(study: Asked, outcome: str, effect: float) -> bool | None:
    """Whether the first outcome's effect has the sign expected; None for others, or where none is."""
    if study.expected_sign is None or outcome != study.outcomes[0].name or not effect:
        return None
    return bool(np.sign(effect) == study.expected_sign)


def column(rows: pd.DataFrame, name: str) -> np.ndarray:
    """Numbers of a column, float64."""
    return rows[name].to_numpy(np.float64)


def sizes_of(rows: pd.DataFrame, means: dict[str, float], kind: str) -> np.ndarray:
    """Size of each control's mean effect; infinite for one that diverged, so that it counts against the feature."""
    found = np.abs([means[name] for name in rows[rows.kind == kind].arm.unique()])
    return np.where(np.isnan(found), np.inf, found)


@dataclass(frozen=True)
class Ladder:
    """The arms of a change at all doses, and the columns that say how large each is.

    Attributes:
        plus: kind of the arms of the change.
        minus: kind of those of its reverse.
        size: column whose mean over dates is given for each dose.
        largest: column whose largest value is, or None.
        unit: what the end of linearity is given in beside the dose.
    """

    plus: str
    minus: str
    size: str
    largest: str | None
    unit: str


FEATURE_LADDER = Ladder("feature", "minus_feature", "norms_mean", "norms_max", "norms")


def doses_of(rows: pd.DataFrame, means: dict[str, float], floor: float, kinds: Ladder) -> dict[str, Any]:
    """Slope through the origin over all doses, antisymmetry at the largest dose up to 1 with a reverse, sizes, and where linearity ends.

    That is the largest dose up to which, with either sign, effects are within a tenth, or the floor, of what the smallest dose says.
    """
    ladder = rows[rows.kind.isin((kinds.plus, kinds.minus))]
    table = []
    for name, part in ladder.groupby("arm", sort=False):
        row = {"dose": float(part.dose.iloc[0]), "effect": means[name], kinds.size: float(column(part, kinds.size).sum() / len(part))}
        table.append(row | ({} if kinds.largest is None else {kinds.largest: float(part[kinds.largest].max())}))
    table.sort(key=lambda row: row["dose"])
    dose, effect = (np.array([row[key] for row in table]) for key in ("dose", "effect"))
    slope = float((dose * effect).sum() / (dose**2).sum())
    both = max((each for each in dose if 0 < each <= 1 and -each in dose), default=math.nan)
    plus, minus = (means.get(f"{kind}_{both:g}", math.nan) for kind in (kinds.plus, kinds.minus))
    total = abs(plus) + abs(minus)
    small = np.abs(dose) == np.abs(dose).min()
    first = float((dose[small] * effect[small]).sum() / (dose[small] ** 2).sum())
    linear = [row for row in table if abs(row["effect"] - first * row["dose"]) <= max(_BENT * abs(first * row["dose"]), floor)]
    bent = min((abs(row["dose"]) for row in table if row not in linear), default=math.inf)
    upto = [row for row in linear if abs(row["dose"]) < bent]
    return {
        "slope": slope, "antisymmetry": abs(plus + minus) / total if total else math.nan, "doses": table,
        "linear_to_dose": max((abs(row["dose"]) for row in upto), default=0.0),
        f"linear_to_{kinds.unit}": max((row[kinds.size] for row in upto), default=0.0), "is_linear_throughout": math.isinf(bent),
    }


def on_target(at_one: pd.DataFrame) -> dict[str, Any]:
    """Share of D2 in the outcome's fields and region, and the root of the rest by unit of edit, means over dates."""
    target, everything, size = (column(at_one, name) for name in ("d2_target", "d2", "size"))
    share = np.divide(target, everything, out=np.full(len(target), np.nan), where=everything > 0)
    rest = np.sqrt((everything - target).clip(0))
    collateral = np.divide(rest, size, out=np.full(len(rest), np.nan), where=size > 0)
    return {"on_target": float(share.sum() / len(share)), "collateral": float(collateral.sum() / len(collateral))}


def interval(study: Asked, at_one: pd.DataFrame) -> dict[str, Any]:
    """95 % interval of the mean effect from drawing clusters of dates; none of fewer than 2.

    A cluster begins with the first date that is ten days or more after the first one of the cluster before.
    """
    starts: list[datetime.date] = []
    for date in at_one.date:
        day = datetime.date.fromisoformat(date)
        is_new = not starts or (day - starts[-1]).days >= _CLUSTER_DAYS
        starts.append(day if is_new else starts[-1])
    cluster = np.array([day.toordinal() for day in starts])
    names = np.unique(cluster)
    found = {"n_clusters": len(names), "is_exploratory": len(names) < _FEW_CLUSTERS, "interval": None}
    if len(names) < 2:
        return found
    effect = column(at_one, "effect")
    total_c, n_c = (np.array([values[cluster == name].sum() for name in names]) for values in (effect, np.ones(len(effect))))
    drawn_rc = generator(Stream.STUDY_BOOTSTRAP, study.seed).integers(len(names), size=(_RESAMPLED, len(names)))
    means = total_c[drawn_rc].sum(axis=1) / n_c[drawn_rc].sum(axis=1)
    return {**found, "interval": [float(each) for each in np.quantile(means, _INTERVAL)]}
