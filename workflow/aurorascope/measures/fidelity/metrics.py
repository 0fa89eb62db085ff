"""Forecast metrics from sums: NaN, never infinity, by field where a denominator says nothing; null in aggregates.

Definitions are in `formulas`. The fidelity is the analogue of the share of the loss recovered in language models (Bricken et
al. 2023; Karvonen et al. 2024), with the clean forecast in the place of the truth and three ablations in the place of one,
since zeros lie far from anything a block puts out and flatter every SAE.
"""

from typing import Any

import numpy as np

from aurorascope.measures.fidelity.formulas import ABLATIONS, FIDELITY_FORMULAS
from aurorascope.measures.fidelity.sums import ForecastSums

# Of a field's own size; a tendency or an error below is lost in float32's rounding, and the field counts as constant.
_LEAST_CHANGE = 1e-6
# Of the tendency; an ablation that moves a forecast less leaves nothing to recover.
_LEAST_DIVERGENCE = 0.01
_LEAST_LOSS = 1.01


def _ratio(a: np.ndarray, b: np.ndarray, is_defined: np.ndarray) -> np.ndarray:
    """Ratio a / b where that is defined, else NaN."""
    return np.divide(a, b, out=np.full(len(a), np.nan), where=is_defined)


def by_field(sums: ForecastSums) -> dict[str, np.ndarray]:
    """Every metric of each field, (fields,) float64, NaN where it is undefined; `n_fidelity_snapshots` is not among them."""
    least_v = _LEAST_CHANGE**2 * sums.size_v
    changes_v = sums.tendency_v > least_v
    d2 = {name: _ratio(values_v, sums.tendency_v, changes_v) for name, values_v in sums.divergence_v.items()}
    found = {"tendency": np.sqrt(sums.tendency_v / sums.n), "divergence": np.sqrt(d2["sae"])}
    for name in ABLATIONS:
        found[f"divergence_{name}"] = np.sqrt(d2[name])
        moves_v = found[f"divergence_{name}"] >= _LEAST_DIVERGENCE
        found[f"fidelity_{name}"] = 1 - _ratio(d2["sae"], d2[name], moves_v)
    return found | _errors(sums, least_v)


def _errors(sums: ForecastSums, least_v: np.ndarray) -> dict[str, np.ndarray]:
    error, n = sums.error_v, sums.n_verified
    known_v = np.full(sums.n_fields, n > 0)
    differs_v = known_v & (error["clean"] > least_v * n / sums.n)
    found = {f"rmse_{name}": np.sqrt(_ratio(error[name], np.full(sums.n_fields, float(n)), known_v)) for name in ("clean", "sae")}
    found["rmse_change"] = _ratio(found["rmse_sae"], found["rmse_clean"], differs_v) - 1
    for name in ABLATIONS:
        is_worse_v = differs_v & (error[name] >= _LEAST_LOSS * error["clean"])
        gain_v, span_v = error[name] - error["sae"], error[name] - error["clean"]
        found[f"loss_recovered_{name}"] = _ratio(gain_v, span_v, is_worse_v)
    return found


def mean_of_defined(values: np.ndarray) -> float | None:
    """Mean of the values that are not NaN; None where all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def headline(sums: ForecastSums) -> dict[str, Any]:
    """The metrics of `FIDELITY_FORMULAS` over all fields."""
    found = by_field(sums)
    means = {name: mean_of_defined(found[name]) for name in FIDELITY_FORMULAS if name in found}
    return {**means, "n_fidelity_snapshots": sums.n}


def by_variable(sums: ForecastSums, variables: list[str]) -> dict[str, dict[str, float | None]]:
    """The same by variable, given the name of each field's: means over its levels where they are defined."""
    found, names = by_field(sums), np.array(variables)
    return {
        variable: {name: mean_of_defined(found[name][names == variable]) for name in FIDELITY_FORMULAS if name in found}
        for variable in dict.fromkeys(variables)
    }
