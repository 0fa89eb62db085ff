"""The share of false ones among what scores as high, counted on decoys: labels that were shifted away.

q(s) = mean over shifts r of #{decoy_r >= s} / #{real >= s}, within one block, label, kind of null and third of features by how
much area they cover, and no larger than at any lower score: the target-decoy estimate of the false discovery rate.
"""

import numpy as np

TERCILES = 3


def terciles(area_f: np.ndarray) -> np.ndarray:
    """Third of each feature by the area it covers, 0 to 2; -1 for one that is never on."""
    alive = np.flatnonzero(area_f > 0)
    third = np.full(len(area_f), -1)
    order = alive[np.argsort(area_f[alive], kind="stable")]
    third[order] = np.arange(len(order)) * TERCILES // max(1, len(order))
    return third


def q_values(real_f: np.ndarray, decoy_rf: np.ndarray, third_f: np.ndarray) -> np.ndarray:
    """Q of each feature's score among those of its third, (features,) float64, at most 1; 1 for one that is never on."""
    q = np.ones(len(real_f))
    for third in range(TERCILES):
        here = np.flatnonzero(third_f == third)
        if len(here):
            q[here] = _q(real_f[here], decoy_rf[:, here].reshape(-1), len(decoy_rf))
    return q


def _q(real: np.ndarray, decoys: np.ndarray, n_shifts: int) -> np.ndarray:
    scores = np.sort(real)
    n_real = len(real) - np.searchsorted(scores, scores, "left")
    n_decoys = len(decoys) - np.searchsorted(np.sort(decoys), scores, "left")
    ratio = np.minimum(1.0, n_decoys / max(1, n_shifts) / n_real)
    lowest = np.minimum.accumulate(ratio)
    return lowest[np.searchsorted(scores, real, "left")]
