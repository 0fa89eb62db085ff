"""Where each feature is strongest: the tokens with its largest values, one a date and hour, the earlier first among equals."""

import numpy as np

from aurorascope.atlas.entries import Entries


def strongest_tokens(entries: Entries, snapshots: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The strongest token of each feature in each of its strongest snapshots.

    Args:
        entries: of the features.
        snapshots: places, ascending.
        n: snapshots of a feature at most.

    Returns:
        feature, snapshot, token (level, row, column flattened) and value, features ascending, values descending.
    """
    peak_sf = entries.peak_sf[snapshots].astype(np.float32)
    order_sf = np.argsort(-peak_sf, axis=0, kind="stable")[:n]
    rank, feature = np.nonzero(np.take_along_axis(peak_sf, order_sf, axis=0) > 0)
    place = order_sf[rank, feature]
    token = np.empty(len(place), np.int64)
    for snapshot, rows in zip(snapshots.tolist(), entries.snapshots(snapshots), strict=True):
        here = np.flatnonzero(snapshots[place] == snapshot)
        is_wanted = np.zeros(entries.n_features, bool)
        is_wanted[feature[here]] = True
        peak_f = entries.peak_sf[snapshot]
        at = np.flatnonzero(is_wanted[rows.feature] & (rows.value == peak_f[rows.feature]))
        row = np.searchsorted(rows.ends, at, "right") - 1
        first = np.full(entries.n_features, -1)
        first[rows.feature[at][::-1]] = row[::-1]
        token[here] = first[feature[here]]
    by_feature = np.lexsort((rank, feature))
    value = peak_sf[place, feature] * np.float32(entries.scale)
    return feature[by_feature], snapshots[place][by_feature], token[by_feature], value[by_feature]
