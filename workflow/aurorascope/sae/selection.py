"""Which entries of a matrix stay: the largest of each row, or all above a threshold, without sorting.

An entry of a row's largest k is at least the k-th largest of the row's maxima over groups, and few others are. So groups are
folded onto one another, a partition of what is left bounds the k-th largest from below, and only what reaches the bound is
looked at again. Of equal entries the first stay, as in `aurora_sae.py`. Nothing is ever chosen that is not above zero
(`LEAST`), in magnitude where signs count, so that a row may keep fewer than k; a NaN may take a place of them and is never kept.

Rows are taken a few at a time, which stay in a core's cache; each row's choice depends on that row alone.
"""

from collections.abc import Callable

import numpy as np
import torch

# The least that is above zero, for float32 and float64: what is smaller may count as zero anywhere.
LEAST = float(np.finfo(np.float32).tiny)
_BLOCK = 1 << 18
# Rows that are this many times as long as k are folded, at most so often, while so many groups for each of k are left.
_LONG, _FOLDS, _GROUPS = 16, 4, 4

Chosen = tuple[np.ndarray, np.ndarray]


def largest(z_nh: torch.Tensor, k: int, signed: bool) -> Chosen:
    """The k largest entries of each row, or those of largest magnitude where `signed`.

    Args:
        z_nh: (n, h) float32 or float64 on the CPU, contiguous.
        k: entries a row keeps at most.
        signed: whether magnitudes are compared.

    Returns:
        Places in the flattened matrix, ascending, int64; and the values there.
    """
    return _by_blocks(z_nh, lambda block_mh: _largest(np.abs(block_mh) if signed else block_mh, k))


def above(z_nh: torch.Tensor, least: float) -> Chosen:
    """All entries that are at least `least`, and above zero; as `largest`."""
    return _by_blocks(z_nh, lambda block_mh: np.flatnonzero(block_mh >= block_mh.dtype.type(max(least, LEAST))))


def beyond(z_nh: torch.Tensor, threshold_h: np.ndarray) -> Chosen:
    """All entries above their column's threshold, none of which is negative; as `largest`."""
    return _by_blocks(z_nh, lambda block_mh: np.flatnonzero(block_mh > threshold_h))


def _by_blocks(z_nh: torch.Tensor, choose: Callable[[np.ndarray], np.ndarray]) -> Chosen:
    array_nh = z_nh.numpy()
    n, h = array_nh.shape
    step = max(1, _BLOCK // h)
    places, values = [], []
    for start in range(0, n, step):
        block_mh = array_nh[start : start + step]
        found = choose(block_mh)
        # Now, while they are in the cache.
        values.append(block_mh.reshape(-1)[found])
        found += start * h
        places.append(found)
    return (places[0], values[0]) if len(places) == 1 else (np.concatenate(places), np.concatenate(values))


def row_ends(places: np.ndarray, n: int, h: int) -> np.ndarray:
    """Where each row's entries begin among ascending places, and their number last: (n + 1,) int64."""
    return np.searchsorted(places, np.arange(0, n * h + 1, h))


def _largest(size_mh: np.ndarray, k: int) -> np.ndarray:
    (m, h), k = size_mh.shape, min(k, size_mh.shape[1])
    places = np.flatnonzero(size_mh >= _kth(_folded(size_mh, k), k)[:, None])
    ends = row_ends(places, m, h)
    counts = np.diff(ends)
    most = counts.max()
    if most <= k:
        return places
    size = size_mh.reshape(-1)[places]
    padded = np.zeros((m, most), size.dtype)
    # Each entry's place in its padded row, flat.
    padded.reshape(-1)[np.arange(len(size)) + np.repeat(np.arange(0, m * most, most) - ends[:-1], counts)] = size
    kth_m = _kth(padded, k)
    keep = size >= np.repeat(kth_m, counts)
    if np.count_nonzero(keep) > np.minimum(counts, k).sum():
        keep &= _is_early(size, np.repeat(kth_m, counts), counts, k)
    return places[keep]


def _is_early(size: np.ndarray, kth: np.ndarray, counts: np.ndarray, k: int) -> np.ndarray:
    """False for the entries equal to their row's k-th largest that come after k are complete."""
    row, ends = np.repeat(np.arange(len(counts)), counts), np.cumsum(counts)
    spare_m = k - np.bincount(row[size > kth], minlength=len(counts))
    rank = np.cumsum(size == kth)
    before_m = np.concatenate([[0], rank])[ends - counts]
    return (size != kth) | (rank - before_m[row] <= spare_m[row])


def _folded(size_mh: np.ndarray, k: int) -> np.ndarray:
    """Maxima of groups of entries, so many groups that few more than k entries reach the k-th largest of them."""
    (m, h), n_groups = size_mh.shape, size_mh.shape[1]
    for _ in range(_FOLDS if h >= _LONG * k else 0):
        half, odd = divmod(n_groups, 2)
        if odd or half < _GROUPS * k:
            break
        n_groups = half
    if n_groups == h:
        return size_mh
    # In one pass, which takes a third of the time of NumPy's maxima, two by two.
    return torch.from_numpy(size_mh).view(m, h // n_groups, n_groups).amax(1).numpy()


def _kth(size_mh: np.ndarray, k: int) -> np.ndarray:
    """The k-th largest of each row, but at least `LEAST`."""
    place, dtype = size_mh.shape[1] - k, size_mh.dtype
    # The bits of numbers above zero have their order as integers, and those of others are lower or a NaN's: half the time.
    bits_mh = np.partition(size_mh.view(f"i{dtype.itemsize}"), place, axis=1)
    return np.maximum(bits_mh[:, place].view(dtype), dtype.type(LEAST))
