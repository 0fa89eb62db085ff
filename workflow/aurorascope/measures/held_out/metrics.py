"""Metrics from sums, each with the id of its formula; null, never infinity, where a denominator is zero."""

from typing import Any

import numpy as np

from aurorascope.measures.held_out.sums import Sums

# Squares below this share of the sum of |x|^2 are what rounding leaves of data that do not vary: float32 cannot hold
# a smaller spread, and the means are good to 1e-15.
_LEAST_SQUARE = 1e-24
# A group's variance is a difference of two sums; below this share of the first, nothing but rounding is left.
_LEAST_SHARE = 1e-12
# Lower edges of the density histogram; a feature that is on for every token belongs to the last.
LOG10_EDGES = tuple(np.arange(-8, 0.5, 0.5).tolist())


def explained(sse: float, sst: float, x_sq: float = 0.0) -> float | None:
    """1 - SSE / SST, or None where there is no variance to explain.

    Args:
        sse: sum of squared errors.
        sst: sum of squares to explain.
        x_sq: sum of the squared lengths of what was centred: no variance is known below its rounding.
    """
    return float(1 - sse / sst) if sst > _LEAST_SQUARE * x_sq else None


def ratio(numerator: float, denominator: float) -> float | None:
    """The quotient, or None where the denominator is 0."""
    return float(numerator / denominator) if denominator else None


def _l0_quantile(counts: np.ndarray, q: float) -> float:
    """Smallest L0 that at least a share `q` of the tokens does not exceed."""
    cumulative = np.cumsum(counts)
    return float(np.searchsorted(cumulative, q * cumulative[-1]))


def headline(sums: Sums) -> dict[str, Any]:
    """The metrics of `FORMULAS` that follow from the sums, over all held-out tokens."""
    s, t, d = sums.scalars, sums.totals, len(sums.means.held_out)
    # SST about the weighted mean, from sums about the unweighted one (parallel axis theorem).
    shift = s["weighted_dev_sq"] / s["weight"]
    density = t["fired_h"] / s["n"]
    has_spread = explained(0, s["sst"], s["x_sq"]) is not None
    return {
        "fve": explained(s["sse"], s["sst"], s["x_sq"]),
        "fve_train_mean": explained(s["sse"], s["sst_train"], s["x_sq"]),
        "fve_anom": explained(s["sse"], s["sst_position"], s["x_sq"]),
        "fve_area": explained(s["sse_area"], s["sst_area"] - shift, s["x_sq"] * s["weight"] / s["n"]),
        "mse": s["sse"] / (s["n"] * d),
        "cosine": ratio(s["cosine"], s["n_cosine"]),
        "l2_ratio": ratio(s["l2_ratio"], s["n_l2"]),
        "bias": float(np.sqrt(s["error_sq"] / (s["n"] * s["sst"]))) if has_spread else None,
        "shrinkage": ratio(s["x_hat_sq"], s["dot"]),
        "l0": float(t["fired_h"].sum() / s["n"]),
        "l0_median": _l0_quantile(t["l0_counts"], 0.5),
        "l0_p95": _l0_quantile(t["l0_counts"], 0.95),
        "frac_dead": float((t["fired_h"] == 0).mean()),
        "frac_dense_1pct": float((density > 0.01).mean()),
        "frac_dense_10pct": float((density > 0.10).mean()),
        "afa_norm_ratio": ratio(s["afa_ratio"], s["n_afa_ratio"]),
        "afa_epsilon": ratio(s["afa_epsilon"], s["n_afa_epsilon"]),
        "n_eval_tokens": int(s["n"]),
    }


def by_group(sums: Sums) -> list[dict[str, Any]]:
    """Explained variance of each group of tokens, about the group's own mean; rows with group, n, sse, sst, fve."""
    rows, t = [], sums.totals
    for group, n in enumerate(t["n_g"]):
        shift = float(np.square(t["dev_gd"][group]).sum()) / n if n else 0.0
        sst = float(t["sst_g"][group] - shift)
        sst = sst if sst > _LEAST_SHARE * t["sst_g"][group] else 0.0
        sse = float(t["sse_g"][group])
        rows.append({"group": group, "n": int(n), "sse": sse, "sst": sst, "fve": explained(sse, sst) if n else None})
    return rows


def density_histogram(fired_h: np.ndarray, n: int) -> dict[str, Any]:
    """How many features are on for which share of the tokens.

    Args:
        fired_h: tokens that each feature is on for, (d_hidden,).
        n: tokens.

    Returns:
        log10_edges: lower edges of the bins in log10 of the share; a bin ends where the next begins, the last holds
        features that are on for every token alone; counts: features in each bin; dead: features that are never on,
        which are in no bin.
    """
    density = fired_h[fired_h > 0] / n
    edges = np.power(10.0, LOG10_EDGES)
    place = np.searchsorted(edges, density, side="right") - 1
    counts = np.bincount(place.clip(min=0), minlength=len(edges))
    return {"log10_edges": list(LOG10_EDGES), "counts": counts.tolist(), "dead": int((fired_h == 0).sum())}
