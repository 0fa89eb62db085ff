"""Whether a feature is on at the same tokens whatever the weather: how much its sets of tokens on two dates have in common.

Of two sets A and B that is the Jaccard index |A and B| / |A or B|. `lock` is its mean over pairs of dates at one hour, drawn at
random from evenly spaced dates. A pair in which the feature is on nowhere on one of its dates is left out: over all pairs the mean of
|A and B| over that of |A or B| is fixed by how often each token is on, so that nothing would be left to compare it with.

`expected` is that quotient: what comes out where each token is on as often as it is, each by itself and whatever the date. With k the
dates that a token is on, of M dates that are drawn,

    sum of k (k - 1) / sum of (M (M - 1) - (M - k) (M - k - 1)),

both over tokens, which is sum p^2 / sum (2 p - p^2) without the bias of estimating p on the same dates. A feature far above it
comes and goes as a whole. `random` is what as many tokens anywhere would have in common: with a and b tokens of n,
a b / (n (a + b) - a b) (the expected intersection over the union that it leaves), averaged over the same pairs.

All counts are whole numbers, so that neither tiles nor the order of snapshots change a bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aurorascope.atlas.entries import Entries
from aurorascope.atlas.verdicts import spaced
from aurorascope.streams import Stream, generator

# Tokens times features that are looked at together.
_TILE = 1 << 23
# Pairs in which a feature must be on on both dates; the mean of fewer says nothing.
_LEAST_PAIRS = 3


@dataclass(frozen=True)
class Overlaps:
    """How much a feature's sets of tokens have in common, each (features,) float64 from 0 to 1.

    Attributes:
        lock: mean over pairs of dates; NaN where fewer than three pairs have the feature on on both.
        expected: from how often each token is on; NaN where the feature is never on.
        random: of as many tokens anywhere, over the pairs of `lock`; NaN with it.
    """

    lock: np.ndarray
    expected: np.ndarray
    random: np.ndarray


def pair_dates(times: Sequence[str], most: int, seed: int) -> list[np.ndarray]:
    """Places of dates in pairs, one array (pairs, 2) an hour of the day, in the order of hours.

    Args:
        times: ISO times, ascending.
        most: pairs, shared out evenly among hours; each hour with two dates has one at least.
        seed: of the draw.
    """
    hour = np.array([time[11:] for time in times])
    hours, rng = np.unique(hour), generator(Stream.ATLAS_PAIRS, seed)
    found = []
    for each in hours:
        places = rng.permutation(spaced(np.flatnonzero(hour == each), 2 * max(1, most // len(hours))))
        if len(places) > 1:
            found.append(places[: len(places) // 2 * 2].reshape(-1, 2))
    return found


def measure_overlaps(entries: Entries, snapshots: np.ndarray, pairs: Sequence[np.ndarray]) -> Overlaps:
    """How much each feature's sets of tokens have in common.

    Args:
        entries: of the features.
        snapshots: places of the snapshots that `pairs` are among.
        pairs: `pair_dates`.
    """
    n, every = entries.n_features, np.concatenate([*pairs, np.empty((0, 2), np.int64)])
    both_pf, size_psf = np.zeros((len(every), n), np.int64), np.zeros((len(every), 2, n), np.int64)
    # By hour, for each feature the sum over tokens of k (k - 1) and of k.
    again_hf, on_hf = (np.zeros((len(pairs), n), np.int64) for _ in range(2))
    tile = max(1, _TILE // n)
    for first in range(0, entries.n_tokens, tile):
        last, number = min(first + tile, entries.n_tokens), 0
        seen = np.zeros((last - first) * n, np.uint16)
        for hour, of_hour in enumerate(pairs):
            times_on = np.zeros_like(seen)
            for pair in of_hour:
                number += 1
                for side, place in enumerate(pair):
                    rows = entries.rows(int(snapshots[place]), first, last)
                    key = np.repeat(np.arange(last - first) * n, np.diff(rows.ends)) + rows.feature
                    before = times_on[key]
                    size_psf[number - 1, side] += np.bincount(rows.feature, minlength=n)
                    again_hf[hour] += 2 * np.bincount(rows.feature, before, n).astype(np.int64)
                    times_on[key] = before + 1
                    if side:
                        both_pf[number - 1] += np.bincount(rows.feature[seen[key] == number], minlength=n)
                    else:
                        seen[key] = number
            on_hf[hour] = size_psf[number - len(of_hour) : number].sum(axis=(0, 1))
    dates_h = np.array([2 * len(each) for each in pairs], np.int64)[:, None]
    again_f = again_hf.sum(axis=0)
    either_f = (2 * (dates_h - 1) * on_hf - again_hf).sum(axis=0)
    return _overlaps(both_pf, size_psf, entries.n_tokens, _ratio(again_f, either_f))


def _overlaps(both_pf: np.ndarray, size_psf: np.ndarray, n_tokens: int, expected_f: np.ndarray) -> Overlaps:
    """Means over the pairs in which a feature is on on both dates."""
    sum_pf, product_pf = size_psf.sum(axis=1), size_psf.prod(axis=1)
    counts_pf = product_pf > 0
    n_f = counts_pf.sum(axis=0)
    n_f = np.where(n_f >= _LEAST_PAIRS, n_f, 0)
    found = _ratio(both_pf, sum_pf - both_pf), _ratio(product_pf, n_tokens * sum_pf - product_pf)
    lock_f, random_f = (_ratio(np.where(counts_pf, each, 0.0).sum(axis=0), n_f) for each in found)
    return Overlaps(lock_f, expected_f, random_f)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
