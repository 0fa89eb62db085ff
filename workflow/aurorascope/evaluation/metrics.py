"""Metrics from sums, each with the id of its formula; null, never infinity, where a denominator is zero."""

from typing import Any

import numpy as np

from aurorascope.evaluation.sums import Sums


def explained(sse: float, sst: float) -> float | None:
    """1 - SSE / SST, or None where there is no variance to explain."""
    return float(1 - sse / sst) if sst > 0 else None


def _l0_quantile(counts: np.ndarray, q: float) -> float:
    """Smallest L0 that at least a share `q` of the tokens does not exceed."""
    cumulative = np.cumsum(counts)
    return float(np.searchsorted(cumulative, q * cumulative[-1]))


def headline(sums: Sums) -> dict[str, Any]:
    """The metrics of `FORMULAS` over all held-out tokens."""
    s, d = sums.scalars, sums.dev_gd.shape[1]
    # SST about the weighted mean, from sums about the unweighted one (parallel axis theorem).
    shift = float(np.square(sums.weighted_dev_d).sum()) / s["weight"]
    density = sums.fired_h / s["n"]
    return {
        "fve": explained(s["sse"], s["sst"]),
        "fve_train_mean": explained(s["sse"], s["sst_train"]),
        "fve_anom": explained(s["sse"], s["sst_position"]),
        "fve_area": explained(s["sse_area"], s["sst_area"] - shift),
        "mse": s["sse"] / (s["n"] * d),
        "cosine": s["cosine"] / s["n_cosine"] if s["n_cosine"] else None,
        "l0": float(sums.fired_h.sum() / s["n"]),
        "l0_median": _l0_quantile(sums.l0_counts, 0.5),
        "l0_p95": _l0_quantile(sums.l0_counts, 0.95),
        "frac_dead": float((sums.fired_h == 0).mean()),
        "frac_dense_1pct": float((density > 0.01).mean()),
        "frac_dense_10pct": float((density > 0.10).mean()),
        "n_eval_tokens": int(s["n"]),
    }


# A group's variance is a difference of two sums; below this share of the first, nothing but rounding is left.
_LEAST_SHARE = 1e-12


def by_group(sums: Sums) -> list[dict[str, Any]]:
    """Explained variance of each group of tokens, about the group's own mean; rows with n, sse, sst, fve."""
    rows = []
    for group, n in enumerate(sums.n_g):
        shift = float(np.square(sums.dev_gd[group]).sum()) / n if n else 0.0
        sst = float(sums.sst_g[group] - shift)
        sst = sst if sst > _LEAST_SHARE * sums.sst_g[group] else 0.0
        rows.append({"group": group, "n": int(n), "fve": explained(float(sums.sse_g[group]), sst) if n else None})
    return rows
