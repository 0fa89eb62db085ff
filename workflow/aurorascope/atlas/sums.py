"""The inner loops of counting, compiled: what NumPy can only do by writing out one row for each entry of each part.

Compiled when they are first called, in each process anew: a cache on the disk would be a file of code beside the library. All
sums are of whole numbers in int64.
"""

import numba
import numpy as np

from aurorascope.atlas.parts import NOT_COUNTED, OFF

_OFF, _NOT_COUNTED = OFF, NOT_COUNTED


@numba.njit(nogil=True)
def add_total(feature, code, row_end, first, n_bins, area_p, total_lk):  # noqa: ANN001, ANN201
    """Add the area of each entry's token to its feature and bin, for one snapshot.

    Args:
        feature: of all entries.
        code: uint8, bin of all entries.
        row_end: where the entries of each row of tokens begin, from the snapshot's first one, snapshots one after the other.
        first: the snapshot's first entry and first row.
        n_bins: bins of a feature.
        area_p: (tokens of the plane,) int64.
        total_lk: (levels, features * bins) int64, added to.
    """
    n_plane = len(area_p)
    for level in range(len(total_lk)):
        for token in range(n_plane):
            row = first[1] + level * n_plane + token
            for entry in range(first[0] + row_end[row], first[0] + row_end[row + 1]):
                total_lk[level, np.int64(feature[entry]) * n_bins + code[entry]] += area_p[token]


@numba.njit(nogil=True)
def add_label(  # noqa: ANN201
    feature, code, row_end, first_s2, n_bins, fold, token_p, object_p, area_p, kind_p, part_s2, object_area, object_s2, token_of,  # noqa: ANN001
    token_area, held_flb, sum_fl, top_fl, area_l2k, reached_pk,  # noqa: ANN001
):
    """Count a label over some snapshots.

    Areas are of the tokens that the label is on for, and of those that do not count. Objects are counted by the highest bin at
    which a feature holds a tenth of them, at each level and at all together.

    Args:
        feature: of all entries.
        code: uint8, bin of all entries.
        row_end: as in `add_total`.
        first_s2: (snapshots, 2) int64, first entry and first row of each.
        n_bins: bins of a feature after folding.
        fold: how many places a code is shifted right by.
        token_p: of all parts of the label.
        object_p: of all parts.
        area_p: of all parts.
        kind_p: of all parts.
        part_s2: (snapshots, 2) int64, from and up to which part each snapshot's lie.
        object_area: of all objects of the label, of one level.
        object_s2: (snapshots, 2) int64, from and up to which object.
        token_of: (tokens of the plane,) int64, where each token lies for the label.
        token_area: (tokens of the plane,) int64.
        held_flb: (features, levels, bins) int64, for scratch.
        sum_fl: (features, levels) int64, for scratch.
        top_fl: (features, levels) int64, for scratch, all -1 before and after.
        area_l2k: (levels, on or not counted, features * bins) int64, added to.
        reached_pk: (levels + 1, features * bins) int32, added to; level pool 0 is all levels together.
    """
    n_levels, n_plane = len(area_l2k), len(token_area)
    touched = np.empty(len(top_fl), np.int64)
    for s in range(len(first_s2)):
        begin, end = part_s2[s]
        first_entry, first_row = first_s2[s]
        areas = object_area[object_s2[s, 0] : object_s2[s, 1]]
        # Parts by object: where each object's begin, and their order.
        start = np.zeros(len(areas) + 1, np.int64)
        for i in range(begin, end):
            start[object_p[i] + 1] += 1
        for o in range(len(areas)):
            start[o + 1] += start[o]
        order, next_ = np.empty(end - begin, np.int64), start[:-1].copy()
        for i in range(begin, end):
            order[next_[object_p[i]]] = i
            next_[object_p[i]] += 1
        for o in range(len(areas)):
            n_touched = 0
            for i in order[start[o] : start[o + 1]]:
                area, token, is_first = area_p[i], token_of[token_p[i]], kind_p[i] != _OFF
                side = 1 if kind_p[i] == _NOT_COUNTED else 0
                for level in range(n_levels):
                    row = first_row + level * n_plane + token
                    low, high = first_entry + row_end[row], first_entry + row_end[row + 1]
                    if is_first:
                        for entry in range(low, high):
                            area_l2k[level, side, np.int64(feature[entry]) * n_bins + (code[entry] >> fold)] += token_area[token]
                    for entry in range(low, high):
                        f, b = np.int64(feature[entry]), np.int64(code[entry] >> fold)
                        top = top_fl[f, level]
                        if top >= 0:
                            held_flb[f, level, b] += area
                            sum_fl[f, level] += area
                            top_fl[f, level] = max(top, b)
                            continue
                        is_new = True
                        for other in range(n_levels):
                            is_new &= top_fl[f, other] < 0
                        if is_new:
                            touched[n_touched] = f
                            n_touched += 1
                        for each in range(n_bins):
                            held_flb[f, level, each] = 0
                        held_flb[f, level, b] = sum_fl[f, level] = area
                        top_fl[f, level] = b
            # 10 * held >= area, in whole numbers.
            tenth, all_tenth = -(-areas[o] // 10), -(-n_levels * areas[o] // 10)
            for f in touched[:n_touched]:
                total, top = np.int64(0), np.int64(-1)
                for level in range(n_levels):
                    if top_fl[f, level] < 0:
                        continue
                    total += sum_fl[f, level]
                    top = max(top, top_fl[f, level])
                    if sum_fl[f, level] >= tenth:
                        held, b = np.int64(0), top_fl[f, level] + 1
                        while held < tenth:
                            b -= 1
                            held += held_flb[f, level, b]
                        reached_pk[level + 1, f * n_bins + b] += 1
                if total >= all_tenth:
                    held, b = np.int64(0), top + 1
                    while held < all_tenth:
                        b -= 1
                        for level in range(n_levels):
                            if top_fl[f, level] >= b:
                                held += held_flb[f, level, b]
                    reached_pk[0, f * n_bins + b] += 1
                for level in range(n_levels):
                    top_fl[f, level] = -1


@numba.njit(nogil=True)
def best_thresholds(area_l2fb, total_lfb, reached_pfb, n_objects, pool_f, bin_f, f1_f):  # noqa: ANN001, ANN201
    """The level pool and bin where each feature's F1 is highest; of equal ones the first pool, and in it the lowest bin.

    Args:
        area_l2fb: (levels, on or not counted, features, bins) int64, area that is on for the label, and that does not count.
        total_lfb: (levels, features, bins) float64, all area.
        reached_pfb: (levels + 1, features, bins) int32, objects by the highest bin that reaches them.
        n_objects: objects.
        pool_f: (features,) int64, written.
        bin_f: (features,) int64, written.
        f1_f: (features,) float64, written.
    """
    n_levels, n_features, n_bins = total_lfb.shape
    for f in range(n_features):
        best = -1.0
        for pool in range(n_levels + 1):
            levels = range(n_levels) if pool == 0 else range(pool - 1, pool)
            on, off, reached, f1, best_here, bin_here = 0.0, 0.0, 0, 0.0, -1.0, 0
            for b in range(n_bins - 1, -1, -1):
                is_new = False
                for level in levels:
                    total = total_lfb[level, f, b]
                    if total > 0:
                        # Whole numbers below 2^53: no difference rounds.
                        is_new = True
                        on += area_l2fb[level, 0, f, b]
                        off += total - area_l2fb[level, 0, f, b] - area_l2fb[level, 1, f, b]
                reached += reached_pfb[pool, f, b]
                # Bins that hold nothing are many, and F1 stays as it is.
                if is_new:
                    precision = on / (on + off) if on + off > 0 else 0.0
                    recall = reached / max(1, n_objects)
                    f1 = 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
                if f1 >= best_here:
                    best_here, bin_here = f1, b
            if best_here > best:
                best, pool_f[f], bin_f[f] = best_here, pool, bin_here
        f1_f[f] = best
