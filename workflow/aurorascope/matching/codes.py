"""Match the features of blocks of two stages, whose directions have no channel in common, by what they do on the same dates.

The score of two features is the correlation of their pooled values about their means at each place, over dates and places by area: what
they have in common because both follow a place does not count. Chance is the same with dates of the second taken for others, half of all
dates away, at the same hour. Sums are in float64, snapshot after snapshot in a fixed order.
"""

from collections.abc import Iterable

import numpy as np
from scipy.sparse import csr_matrix

from aurorascope.matching.matched import Chance, Matched, nothing_matched
from aurorascope.matching.swaps import Swaps
from aurorascope.measures.stability.compare import assigned
from aurorascope.measures.stability.formulas import MOST_MATCHED

# Entries of a product that are held at once, and of pairs whose means are multiplied.
_ENTRIES = 1 << 24
# Sums of squares about means round; what varies by less than this of its sum of squares never varies.
_ROUNDING = 1e-12

Codes = tuple[csr_matrix, csr_matrix]


class _Side:
    """Sums of one block's pooled features."""

    def __init__(self, n_places: int, n_latents: int) -> None:
        self.total_pf, self.square_f = np.zeros((n_places, n_latents)), np.zeros(n_latents)

    def add(self, h: csr_matrix, area_p: np.ndarray) -> None:
        place = np.repeat(np.arange(h.shape[0]), np.diff(h.indptr))
        # Each place and latent stands once in a snapshot.
        self.total_pf[place, h.indices] += h.data
        self.square_f += np.bincount(h.indices, area_p[place] * h.data**2, len(self.square_f))

    def about_places(self, area_p: np.ndarray, n: int) -> np.ndarray:
        """Sum of squares about the means at each place, 0 where a feature never varies."""
        left_f = self.square_f - np.einsum("p,pf,pf->f", area_p, self.total_pf, self.total_pf) / n
        return np.where(left_f > _ROUNDING * self.square_f, left_f, 0.0)

    def about_all(self, area_p: np.ndarray, n: int) -> np.ndarray:
        """Sum of squares about one mean of all places."""
        return self.square_f - (area_p @ self.total_pf) ** 2 / n


def match_codes(snapshots: Iterable[Codes], swaps: Swaps, area_p: np.ndarray, n: tuple[int, int], signed: bool) -> Matched:
    """Latents of two dictionaries with the largest sum of correlations, one to one.

    Args:
        snapshots: pooled features of both at each snapshot, (places, latents) each, in the order of `swaps`.
        swaps: how dates are taken for others.
        area_p: (places,) share of each in the area.
        n: latents of both.
        signed: whether features have signs; then the size of a correlation counts.
    """
    a, b = (_Side(len(area_p), each) for each in n)
    cross_ab, swapped_ab = np.zeros(n), np.zeros(n) if swaps.pairs else None
    n_seen, chance = 0, None
    found = iter(snapshots)
    for _ in swaps.pairs:
        (a_first, b_first), (a_second, b_second) = next(found), next(found)
        for h_a, h_b in ((a_first, b_first), (a_second, b_second)):
            _add(a, b, cross_ab, h_a, h_b, area_p)
        for h_a, h_b in ((a_first, b_second), (a_second, b_first)):
            add_product(swapped_ab, h_a, h_b, area_p)
        n_seen += 2
    if swaps.pairs:
        score_ab, _, on = _correlations(swapped_ab, a, b, area_p, n_seen)
        chance = _chance(score_ab, signed, swaps, tuple(len(each) for each in on))
        del score_ab, swapped_ab
    for h_a, h_b in found:
        _add(a, b, cross_ab, h_a, h_b, area_p)
        n_seen += 1
    return _matched(cross_ab, a, b, area_p, n_seen, signed, chance, swaps)


def _add(a: _Side, b: _Side, cross_ab: np.ndarray, h_a: csr_matrix, h_b: csr_matrix, area_p: np.ndarray) -> None:
    a.add(h_a, area_p)
    b.add(h_b, area_p)
    add_product(cross_ab, h_a, h_b, area_p)


def add_product(total_ab: np.ndarray, h_a: csr_matrix, h_b: csr_matrix, area_p: np.ndarray) -> None:
    """Add the sum over places of area times both features; over what is on alone, some latents of the first at a time.

    Args:
        total_ab: (latents of a, latents of b) float64.
        h_a: pooled features of a, (places, latents).
        h_b: those of b.
        area_p: (places,) share of each in the area.
    """
    weighted = csr_matrix((h_a.data * np.repeat(area_p, np.diff(h_a.indptr)), h_a.indices, h_a.indptr), h_a.shape).T.tocsr()
    step = max(1, _ENTRIES // total_ab.shape[1])
    for first in range(0, len(total_ab), step):
        total_ab[first : first + step] += (weighted[first : first + step] @ h_b).toarray()


def _correlations(
    cross_ab: np.ndarray, a: _Side, b: _Side, area_p: np.ndarray, n: int
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Correlations about the means at each place of the features that vary, (a, b) float64; their sums of squares, and which they are."""
    squares = [side.about_places(area_p, n) for side in (a, b)]
    on = tuple(np.flatnonzero(each) for each in squares)
    spread = [np.sqrt(each[which]) for each, which in zip(squares, on, strict=True)]
    score_ab = cross_ab[np.ix_(*on)] if any(len(which) < len(each) for which, each in zip(on, squares, strict=True)) else cross_ab
    mean_pa, mean_pb = a.total_pf[:, on[0]] * (area_p / n)[:, None], b.total_pf[:, on[1]]
    step = max(1, _ENTRIES // max(1, len(on[1])))
    for first in range(0, len(on[0]), step):
        at = slice(first, first + step)
        score_ab[at] -= mean_pa[:, at].T @ mean_pb
        score_ab[at] /= spread[0][at, None]
        score_ab[at] /= spread[1]
    return score_ab, tuple(spread), on


def _assign(score_ab: np.ndarray, signed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and signed scores of the matching."""
    at_a, at_b = assigned(np.abs(score_ab) if signed else score_ab).T
    return at_a, at_b, score_ab[at_a, at_b]


def _chance(score_ab: np.ndarray, signed: bool, swaps: Swaps, n: tuple[int, int]) -> Chance | None:
    if min(n) == 0:
        return None
    score = _assign(score_ab, signed)[2]
    what = f"dates of the second taken for others at the same hour, {swaps.days} days or more away"
    return Chance(np.abs(score) if signed else score, n, what)


def _matched(
    cross_ab: np.ndarray, a: _Side, b: _Side, area_p: np.ndarray, n: int, signed: bool, chance: Chance | None, swaps: Swaps
) -> Matched:
    n_on = [int((side.square_f > 0).sum()) for side in (a, b)]
    score_ab, spread, on = _correlations(cross_ab, a, b, area_p, n)
    counts = len(on[0]), len(on[1])
    facts = {"n_on": n_on, "n_snapshots": n, "swap_days": swaps.days}
    if min(counts) == 0:
        none = np.empty(0, np.int64)
        return Matched(counts, none, none, none, np.empty(0), np.empty(0), None, nothing_matched(counts, MOST_MATCHED), facts)
    at_a, at_b, score = _assign(score_ab, signed)
    feature_a, feature_b = on[0][at_a], on[1][at_b]
    about_places = score * spread[0][at_a] * spread[1][at_b]
    plain = _plain(about_places, a, b, feature_a, feature_b, area_p, n)
    return Matched(
        counts, feature_a, feature_b, np.where(signed & (score < 0), -1, 1), np.abs(score) if signed else score, plain, chance,
        "" if chance else swaps.reason or "no feature varies on the dates that are taken for others", facts,
    )


def _plain(
    about_places: np.ndarray, a: _Side, b: _Side, feature_a: np.ndarray, feature_b: np.ndarray, area_p: np.ndarray, n: int
) -> np.ndarray:
    """Correlation of matched features about one mean of all places, NaN where one is the same everywhere."""
    found, step = about_places.copy(), max(1, _ENTRIES // len(area_p))
    for first in range(0, len(found), step):
        at = slice(first, first + step)
        total_pa, total_pb = a.total_pf[:, feature_a[at]], b.total_pf[:, feature_b[at]]
        found[at] += np.einsum("p,pm,pm->m", area_p, total_pa, total_pb) / n - (area_p @ total_pa) * (area_p @ total_pb) / n
    squares = a.about_all(area_p, n)[feature_a] * b.about_all(area_p, n)[feature_b]
    return np.divide(found, np.sqrt(np.maximum(squares, 0)), out=np.full(len(found), np.nan), where=squares > 0)
