"""How much of an outcome a circuit alone brings about, from values of the outcome: plain arithmetic on a few numbers."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from aurorascope.circuits.draws import set_role

FLOORS = 10.0
"""A quotient whose denominator is below so many roundings of the outcome is none."""
FEWEST_SETS = 10
_QUANTILE = 0.05

CLEAN, NONE, ALL, CIRCUIT, REST = "clean", "none", "all", "circuit", "rest"
"""Runs: untouched; every feature at its position mean; none; all but the circuit's; the circuit's alone."""
ERRORS = ("kept", "removed")
"""Whether the errors of the autoencoders stay as they are, or are at their position mean, too."""


def run_name(run: str, errors: str) -> str:
    """Name of a run, such as `circuit_kept`; the clean one has no edits."""
    return run if run == CLEAN else f"{run}_{errors}"


def mean_values(values: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Mean over dates of each run's value.

    Args:
        values: by date, then by run.
    """
    dates = sorted(values)
    return {run: float(np.sum([values[date][run] for date in dates]) / len(dates)) for run in values[dates[0]]}


def faithfulness(y: Mapping[str, float], errors: str, rounding: float, n_sets: int) -> dict[str, Any]:
    """What share of the way from no features to the clean outcome the circuit alone, and all but the circuit, go.

    faithfulness = (y(circuit) - y(none)) / (y(clean) - y(none)); completeness is the same of all features but the circuit's, 0 where the
    circuit holds all that matters.

    Args:
        y: value of the outcome by run, means over dates.
        errors: `kept` or `removed`.
        rounding: what one rounding of the clean outcome amounts to, mean over dates.
        n_sets: matched sets.

    Returns:
        For the record: `circuit`, `rest`, `all` and `sets`, each such a quotient, None where the `denominator` is below 10 roundings;
        `sets_near`, the distance from 1 that 95 % of the sets exceed; `p`, one more than the sets that are as near to 1, over one more than
        all; `passes`, None where that is not known, and `why` it is not.
    """
    names = [NONE, CIRCUIT, REST, ALL, *map(set_role, range(n_sets))]
    is_finite = all(math.isfinite(y[run_name(name, errors)]) for name in names)
    none = y[run_name(NONE, errors)]
    denominator = y[CLEAN] - none
    is_known = is_finite and abs(denominator) >= FLOORS * rounding and denominator != 0

    def quotient(run: str) -> float | None:
        return (y[run_name(run, errors)] - none) / denominator if is_known else None

    found: dict[str, Any] = {"denominator": denominator if is_finite else None, **{run: quotient(run) for run in (CIRCUIT, REST, ALL)}}
    found |= {"sets": [quotient(set_role(at)) for at in range(n_sets)], "sets_near": None, "p": None, "passes": None, "why": None}
    if not is_finite:
        found["why"] = "a forecast without features was not finite"
    elif not is_known:
        found["why"] = f"clean and featureless outcomes differ by less than {FLOORS:g} roundings"
    elif n_sets < FEWEST_SETS:
        found["why"] = f"fewer than {FEWEST_SETS} matched sets"
    else:
        away, away_s = abs(1 - found[CIRCUIT]), np.abs(1 - np.array(found["sets"]))
        found["sets_near"] = float(np.quantile(away_s, _QUANTILE, method="lower"))
        found["p"] = (1 + int((away_s <= away).sum())) / (1 + n_sets)
        found["passes"] = bool(away < found["sets_near"])
    return found

