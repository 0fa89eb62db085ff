"""Match the features of blocks of two stages, whose directions have no channel in common, by what they do on the same dates.

The score of two features is the correlation of their pooled values about their means at each place and hour of the day, over dates and
places by area: what they have in common because both follow a place, or the sun, does not count. Chance is the same with dates of the
second taken for others, half of all dates away, at the same hour. Sums are in float64, snapshot after snapshot in a fixed order.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.sparse import csr_matrix

from aurorascope.matching.matched import Chance, Matched, nothing_matched
from aurorascope.matching.swaps import Hour, Swaps
from aurorascope.measures.stability.compare import assigned
from aurorascope.measures.stability.formulas import MOST_MATCHED

# Entries of a product that are held at once.
_ENTRIES = 1 << 24
# Sums of squares about means round; what varies by less than this of its sum of squares never varies.
_ROUNDING = 1e-12

Codes = tuple[csr_matrix, csr_matrix]


class _Side:
    """Sums of one block's pooled features: of the present hour, and of all hours that are over.

    Attributes:
        total_pf: (places, latents), of this hour.
        square_f: area sums of squares over all hours.
        about_f: of these what is left about the means at each place and hour.
        paired_f: the same as `about_f`, over dates that are taken for others alone.
        sum_f: area sums over all hours.
    """

    def __init__(self, area_p: np.ndarray, n_latents: int) -> None:
        self._area_p = area_p
        self.total_pf = np.zeros((len(area_p), n_latents))
        self._hour_f, self.square_f, self.about_f, self.paired_f, self.sum_f = np.zeros((5, n_latents))

    def add(self, h: csr_matrix) -> None:
        """Count one snapshot."""
        place = np.repeat(np.arange(h.shape[0]), np.diff(h.indptr))
        # Each place and latent stands once in a snapshot.
        self.total_pf[place, h.indices] += h.data
        self._hour_f += np.bincount(h.indices, self._area_p[place] * h.data**2, len(self._hour_f))

    def _left(self, n: int) -> np.ndarray:
        return self._hour_f - np.einsum("p,pf,pf->f", self._area_p, self.total_pf, self.total_pf) / n

    def end_pairs(self, n: int) -> None:
        """Of this hour n snapshots were added, all that are taken for others."""
        self.paired_f += self._left(n)

    def end_hour(self, n: int) -> None:
        """Of this hour n snapshots were added, all there are."""
        self.about_f += self._left(n)
        self.square_f += self._hour_f
        self.sum_f += self._area_p @ self.total_pf
        self.total_pf[:], self._hour_f[:] = 0, 0

    def varying(self, left_f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which latents vary, by sums of squares about means, and the roots of these."""
        on = np.flatnonzero(left_f > _ROUNDING * self.square_f)
        return on, np.sqrt(left_f[on])


class _Sums:
    """Sums of two blocks' pooled features, and of products of each two."""

    def __init__(self, area_p: np.ndarray, n: tuple[int, int], has_pairs: bool) -> None:
        self.a, self.b = (_Side(area_p, each) for each in n)
        self._area_p = area_p
        self.cross_ab, self.means_ab = np.zeros(n), np.zeros(n)
        self.swapped_ab = np.zeros(n) if has_pairs else None
        self.n = 0

    def add_hour(self, hour: Hour, found: Iterator[Codes]) -> None:
        """Count the snapshots of one hour, in its order."""
        for _ in hour.pairs:
            first, second = next(found), next(found)
            self._add(first)
            self._add(second)
            add_product(self.swapped_ab, first[0], second[1], self._area_p)
            add_product(self.swapped_ab, second[0], first[1], self._area_p)
        n_paired, n = 2 * len(hour.pairs), len(hour.order)
        if n_paired:
            for side in (self.a, self.b):
                side.end_pairs(n_paired)
            self._add_means(self.swapped_ab, -1 / n_paired)
        for _ in hour.alone:
            self._add(next(found))
        self._add_means(self.means_ab, 1 / n)
        for side in (self.a, self.b):
            side.end_hour(n)
        self.n += n

    def _add(self, codes: Codes) -> None:
        self.a.add(codes[0])
        self.b.add(codes[1])
        add_product(self.cross_ab, *codes, self._area_p)

    def _add_means(self, total_ab: np.ndarray, factor: float) -> None:
        """Add a multiple of the area sum of products of both totals at each place, some latents of the first at a time."""
        step = max(1, _ENTRIES // total_ab.shape[1])
        weight_p1 = (factor * self._area_p)[:, None]
        for first in range(0, len(total_ab), step):
            at = slice(first, first + step)
            total_ab[at] += (self.a.total_pf[:, at] * weight_p1).T @ self.b.total_pf


def match_codes(snapshots: Iterable[Codes], swaps: Swaps, area_p: np.ndarray, n: tuple[int, int], signed: bool) -> Matched:
    """Latents of two dictionaries with the largest sum of correlations, one to one.

    Args:
        snapshots: pooled features of both at each snapshot, (places, latents) each, in the order of `swaps`.
        swaps: how dates are taken for others.
        area_p: (places,) share of each in the area.
        n: latents of both.
        signed: whether features have signs; then the size of a correlation counts.
    """
    sums, found = _Sums(area_p, n, swaps.days is not None), iter(snapshots)
    for hour in swaps.hours:
        sums.add_hour(hour, found)
    # Ends what reads ahead.
    for _ in found:
        raise ValueError("more snapshots than the swaps have")
    chance = _chance(sums, signed, swaps)
    return _matched(sums, signed, chance, swaps)


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


def _correlations(about_ab: np.ndarray, on: tuple[np.ndarray, np.ndarray], spread: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Correlations of the features that vary, from sums of products about means."""
    score_ab = about_ab[np.ix_(*on)]
    score_ab /= spread[0][:, None]
    score_ab /= spread[1]
    return score_ab


def _assign(score_ab: np.ndarray, signed: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, columns and signed scores of the matching."""
    at_a, at_b = assigned(np.abs(score_ab) if signed else score_ab).T
    return at_a, at_b, score_ab[at_a, at_b]


def _chance(sums: _Sums, signed: bool, swaps: Swaps) -> Chance | None:
    if sums.swapped_ab is None:
        return None
    on, spread = zip(*(side.varying(side.paired_f) for side in (sums.a, sums.b)), strict=True)
    if min(map(len, on)) == 0:
        return None
    score = _assign(_correlations(sums.swapped_ab, on, spread), signed)[2]
    sums.swapped_ab = None
    what = f"dates of the second taken for others at the same hour, {swaps.days} days or more away"
    return Chance(np.abs(score) if signed else score, (len(on[0]), len(on[1])), what)


def _matched(sums: _Sums, signed: bool, chance: Chance | None, swaps: Swaps) -> Matched:
    on, spread = zip(*(side.varying(side.about_f) for side in (sums.a, sums.b)), strict=True)
    counts = len(on[0]), len(on[1])
    facts = {"n_on": [int((side.square_f > 0).sum()) for side in (sums.a, sums.b)], "n_snapshots": sums.n, "swap_days": swaps.days}
    if min(counts) == 0:
        none = np.empty(0, np.int64)
        return Matched(counts, none, none, none, np.empty(0), np.empty(0), None, nothing_matched(counts, MOST_MATCHED), facts)
    at_a, at_b, score = _assign(_correlations(np.subtract(sums.cross_ab, sums.means_ab, out=sums.means_ab), on, spread), signed)
    feature_a, feature_b = on[0][at_a], on[1][at_b]
    reason = "" if chance else swaps.reason or "no feature varies on the dates that are taken for others"
    return Matched(
        counts, feature_a, feature_b, np.where(signed & (score < 0), -1, 1), np.abs(score) if signed else score,
        _plain(sums, feature_a, feature_b), chance, reason, facts,
    )


def _plain(sums: _Sums, feature_a: np.ndarray, feature_b: np.ndarray) -> np.ndarray:
    """Correlation of matched features about one mean of all places and hours; NaN where one is the same everywhere."""
    squares = [side.square_f - side.sum_f**2 / sums.n for side in (sums.a, sums.b)]
    product = squares[0][feature_a] * squares[1][feature_b]
    cross = sums.cross_ab[feature_a, feature_b] - sums.a.sum_f[feature_a] * sums.b.sum_f[feature_b] / sums.n
    is_known = (product > 0) & (squares[0][feature_a] > 0)
    return np.divide(cross, np.sqrt(np.where(is_known, product, 1)), out=np.full(len(cross), np.nan), where=is_known)
