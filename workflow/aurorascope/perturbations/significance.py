"""Which responses are more than chance over dates: flips of whole dates' signs, and Benjamini and Hochberg over features.

Dates that share an input state, or are near enough to have the same weather, are one: they are flipped together.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from aurorascope.config.calendar import parse
from aurorascope.streams import Stream, generator

# Up to this many dates all flips are counted; beyond, as many are drawn.
_ALL_UP_TO = 12
_DRAWN = 2**_ALL_UP_TO - 1
# Sums of the same numbers with other signs round otherwise.
_EQUAL = 1e-9
_FEATURES = 1 << 14


def date_groups(times: Sequence[str], apart_days: float) -> np.ndarray:
    """Number of each time's group, (times,) int64: a group ends where the next time is at least so many days later.

    Args:
        times: ISO, UTC, ascending.
        apart_days: 1 keeps snapshots that share an input state together, since these are 12 hours apart.
    """
    days = np.array([parse(time).timestamp() for time in times]) / 86400
    return np.cumsum(np.concatenate([[0], np.diff(days) >= apart_days])).astype(np.int64)


def sign_flips(n_groups: int, seed: int) -> np.ndarray:
    """Signs of groups that a mean is compared under, (flips, groups) int8, 1 and -1, without the one that all have by themselves.

    Turning all signs changes no magnitude, so that of each pair of flips one is taken: 2^(n-1) - 1 for up to 12 groups. For
    more, 4095 random ones.
    """
    if n_groups <= _ALL_UP_TO:
        rest = list(itertools.product((1, -1), repeat=n_groups - 1))[1:]
        return np.array([(1, *signs) for signs in rest], np.int8).reshape(len(rest), n_groups)
    return (1 - 2 * generator(Stream.PERTURBATION_FLIPS, seed).integers(0, 2, (_DRAWN, n_groups))).astype(np.int8)


def flip_p(change_df: np.ndarray, group_d: np.ndarray, seed: int = 0) -> np.ndarray:
    """Two-sided p of each feature's mean over dates, (1 + flips with as large a mean) / (1 + flips), (features,) float64.

    Args:
        change_df: response on each date, in the order of time, (dates, features). Where a feature's are all 0, p is 1.
        group_d: group of each date, from 0, as `date_groups` has it.
        seed: of the random flips, if there are more than 12 groups.
    """
    flips = sign_flips(int(group_d[-1]) + 1, seed)[:, group_d]
    found = np.ones(change_df.shape[1])
    for start in range(0, change_df.shape[1], _FEATURES):
        part_df = change_df[:, start : start + _FEATURES].astype(np.float64)
        bar_f = np.abs(_total(np.ones(len(part_df), np.int8), part_df)) * (1 - _EQUAL)
        as_large_f = np.ones(part_df.shape[1], np.int64)
        for signs_d in flips:
            as_large_f += np.abs(_total(signs_d, part_df)) >= bar_f
        found[start : start + _FEATURES] = as_large_f / (1 + len(flips))
    return found


def _total(signs_d: np.ndarray, change_df: np.ndarray) -> np.ndarray:
    # Date after date, whatever the number of threads.
    total_f = np.zeros(change_df.shape[1])
    for sign, change_f in zip(signs_d, change_df, strict=True):
        total_f += sign * change_f
    return total_f


def benjamini_hochberg(p_f: np.ndarray) -> np.ndarray:
    """Q of each p: the smallest false discovery rate at which it would be rejected (Benjamini and Hochberg 1995), (features,)."""
    p_f = np.asarray(p_f, np.float64)
    n = len(p_f)
    order = np.argsort(p_f, kind="stable")
    q_f = np.empty(n)
    q_f[order] = np.minimum.accumulate((p_f[order] * n / np.arange(1, n + 1))[::-1])[::-1].clip(max=1)
    return q_f


def fewest_rejected(n_groups: int, n_features: int, level: float = 0.05) -> int:
    """How many features must have the smallest p there is with so many groups of dates, before any is rejected at a level.

    More than `n_features` where none can be, as with up to 5 groups at 0.05.
    """
    floor = 1 / (1 + len(sign_flips(n_groups, 0)))
    return math.ceil(n_features * floor / level - 1e-9)
