"""One word for each outcome of a study of changed inputs, by the words and sums of `verdict`, and what the output skip has of the effect."""

import math
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.studies.input_study import InputStudy
from aurorascope.studies.verdict import (
    Ladder,
    bar,
    column,
    doses_of,
    floor_of,
    interval,
    lost_of,
    on_target,
    rows_of,
    sign_of,
    sizes_of,
    word_of,
)

CONTROLS = ("moved", "other", "noise")
"""Kinds of arms that set the bar together: the same change further east, other variables, red noise."""
_LADDER = Ladder("change", "reverse", "size", None, "size")


def judge_input(study: InputStudy, effects: pd.DataFrame, outcome: str) -> dict[str, Any]:
    """The verdict on one outcome at the last step.

    As `verdict.judge`, of the change at dose 1. `no exposure` is one that on more than half of the dates lies below the encoder's floor
    or above its clamp everywhere. Controls are all arms of the three kinds, ten of which are needed.

    Args:
        study: the study.
        effects: as in `InputStudyResult`.
        outcome: the outcome's name.

    Returns:
        word, effect, floor, threshold and n of controls (in all and by kind), p, mean effects of the controls that are no noise, slope,
        antisymmetry, doses with their sizes, on_target, collateral, interval; `parts` of the first step's effect.
    """
    rows, means = rows_of(study, effects, outcome)
    effect, at_one = means["change_1"], rows[rows.arm == "change_1"]
    floor = floor_of(rows)
    sizes = {kind: sizes_of(rows, means, kind) for kind in CONTROLS}
    found = {
        "effect": effect, "floor": floor, **bar(np.concatenate(list(sizes.values())), effect),
        "n_controls": sum(len(each) for each in sizes.values()), "n_by_kind": {kind: len(each) for kind, each in sizes.items()},
        "n_exposed": int((column(at_one, "exposure_share") > 0).sum()), "n_dates": len(at_one),
        "arms": {name: means[name] for name in rows[rows.kind.isin(CONTROLS[:2])].arm.unique()},
        **doses_of(rows, means, floor, _LADDER), **on_target(at_one), **interval(study, at_one), "parts": parts_of(effects, outcome),
    }
    found |= lost_of(study, rows, outcome)
    return {"word": word_of(found, at_one), "sign_as_expected": sign_of(study, outcome, effect), **found}


def parts_of(effects: pd.DataFrame, outcome: str) -> dict[str, float]:
    """What the output skip carries of the first step's effect at dose 1 and what the backbone does.

    Returns:
        effect, carry and backbone, means over dates, and the shares of the effect that both have; NaN for an outcome that is a feature,
        which lies before the skip, and shares of an effect of 0.
    """
    rows = effects[(effects.outcome == outcome) & (effects.step == 1) & (effects.arm == "change_1")]
    means = {name: float(column(rows, name).sum() / len(rows)) for name in ("effect", "carry", "backbone")}
    # A share of minus nothing is none.
    shares = {f"{name}_share": means[name] / means["effect"] + 0.0 if means["effect"] else math.nan for name in ("carry", "backbone")}
    return means | shares
