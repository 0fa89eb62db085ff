"""How alike two dictionaries are: cosines of rows matched one to one, and of each row's nearest.

Definitions are in `formulas`. The matching is exact (the assignment problem, `scipy.optimize.linear_sum_assignment`), so
that the figure does not depend on an order of rows as a greedy one's does. Its matrix of 64-bit cosines and scipy's copy take
16 bytes a pair of rows: 4.3 GB for two dictionaries of 16,384.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from aurorascope.measures.stability.formulas import ALIKE, MOST_MATCHED

_ROWS = 1024


@dataclass(frozen=True)
class Likeness:
    """Of two dictionaries a and b.

    Attributes:
        n: rows of a and of b.
        matched: (m, 2) rows of a and b that are matched, in order of a; m is the smaller of both numbers, or 0 where there
            are too many to match.
        cosines: (m,) float64, theirs.
        mmcs: mean largest cosine, averaged over both directions; None where a side is empty.
    """

    n: tuple[int, int]
    matched: np.ndarray
    cosines: np.ndarray
    mmcs: float | None

    @property
    def mcc(self) -> float | None:
        """Mean cosine of the matched rows; None where none is."""
        return float(self.cosines.mean()) if len(self.cosines) else None

    @property
    def share(self) -> float | None:
        """Matched pairs with a cosine above 0.7, over the mean of both numbers of rows; None where none is matched."""
        return share_alike(self.cosines, self.n)


def share_alike(scores: np.ndarray, n: tuple[int, int]) -> float | None:
    """Matched pairs with a score above 0.7, over the mean of both numbers that could be matched; None where none is."""
    return float(2 * (scores > ALIKE).sum() / sum(n)) if len(scores) else None


def assigned(score_ab: np.ndarray) -> np.ndarray:
    """Rows and columns matched one to one so that the sum of their scores is largest, (m, 2) int64 in the order of rows."""
    return np.stack(linear_sum_assignment(score_ab, maximize=True), axis=1)


def unit_rows(rows_hd: np.ndarray) -> np.ndarray:
    """Rows in float64 at unit length; none may be zero."""
    rows_hd = rows_hd.astype(np.float64)
    return rows_hd / np.linalg.norm(rows_hd, axis=1, keepdims=True)


def compare(a_hd: np.ndarray, b_hd: np.ndarray, signed: bool) -> Likeness:
    """How alike two dictionaries are.

    Args:
        a_hd: (h_a, d) float64, rows at unit length.
        b_hd: (h_b, d) float64, rows at unit length.
        signed: whether features may be negative; a direction and its opposite are then the same.
    """
    n = len(a_hd), len(b_hd)
    if min(n) == 0 or max(n) > MOST_MATCHED:
        return Likeness(n, np.empty((0, 2), np.int64), np.empty(0), _mean_largest(a_hd, b_hd, signed))
    cosine_ab = _cosines(a_hd, b_hd, signed)
    mmcs = (cosine_ab.max(axis=1).mean() + cosine_ab.max(axis=0).mean()) / 2
    matched = assigned(cosine_ab)
    return Likeness(n, matched, cosine_ab[matched[:, 0], matched[:, 1]], float(mmcs))


def _cosines(a_hd: np.ndarray, b_hd: np.ndarray, signed: bool) -> np.ndarray:
    cosine_ab = a_hd @ b_hd.T
    return np.abs(cosine_ab, out=cosine_ab) if signed else cosine_ab


def _mean_largest(a_hd: np.ndarray, b_hd: np.ndarray, signed: bool) -> float | None:
    """The mean largest cosine without ever holding all of them."""
    if min(len(a_hd), len(b_hd)) == 0:
        return None
    largest_a, largest_b = [], np.full(len(b_hd), -np.inf)
    for first in range(0, len(a_hd), _ROWS):
        cosine_cb = _cosines(a_hd[first : first + _ROWS], b_hd, signed)
        largest_a.append(cosine_cb.max(axis=1))
        np.maximum(largest_b, cosine_cb.max(axis=0), out=largest_b)
    return float((np.concatenate(largest_a).mean() + largest_b.mean()) / 2)


def random_rows(n: int, second_dd: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Random directions of a covariance, in units of its principal components' spread: (n, d) float64 at unit length.

    Args:
        n: how many.
        second_dd: (d, d), the covariance, or a multiple of it; of zeros, there is no direction and n is 0.
        rng: where they are drawn from.
    """
    values, vectors = np.linalg.eigh(second_dd)
    spread = np.sqrt(values.clip(min=0))
    if spread[-1] == 0:
        return np.empty((0, len(second_dd)))
    return unit_rows(rng.standard_normal((n, len(spread))) * (spread / spread[-1]) @ vectors.T)
