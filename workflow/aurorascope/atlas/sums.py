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
    token_area, slot_2f, held_lbs, sum_2ps, start_o, order_i, area_l2k, reached_pk,  # noqa: ANN001
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
        slot_2f: (2, features) int64, for scratch, the first all -1 before and after.
        held_lbs: (levels, bins, features) int64, for scratch, all 0 before and after.
        sum_2ps: (2, levels + 1, features) int64, for scratch, all 0 before and after.
        start_o: int64, for scratch, two more than a snapshot has objects at most.
        order_i: int64, for scratch, as many as a snapshot has parts at most.
        area_l2k: (levels, on or not counted, features * bins) int64, added to.
        reached_pk: (levels + 1, features * bins) int32, added to; level pool 0 is all levels together.
    """
    n_levels, n_plane = len(area_l2k), len(token_area)
    # Features that hold something of an object take slots in the order of their coming, so that loops run over neighbours alone.
    slot_f, feature_s, so_far_ps, n_above_ps = slot_2f[0], slot_2f[1], sum_2ps[0], sum_2ps[1]
    for s in range(len(first_s2)):
        begin, end = part_s2[s, 0], part_s2[s, 1]
        first_entry, first_row, first_object = first_s2[s, 0], first_s2[s, 1], object_s2[s, 0]
        n_objects = object_s2[s, 1] - first_object
        # Parts by object: where each object's begin, and their order.
        for o in range(n_objects + 2):
            start_o[o] = 0
        for i in range(begin, end):
            start_o[object_p[i] + 2] += 1
        for o in range(n_objects):
            start_o[o + 2] += start_o[o + 1]
        for i in range(begin, end):
            order_i[start_o[object_p[i] + 1]] = i
            start_o[object_p[i] + 1] += 1
        for o in range(n_objects):
            n, low, top = 0, n_bins, -1
            for place in range(start_o[o], start_o[o + 1]):
                i = order_i[place]
                area, token = area_p[i], token_of[token_p[i]]
                whole = token_area[token] if kind_p[i] != _OFF else 0
                side = 1 if kind_p[i] == _NOT_COUNTED else 0
                for level in range(n_levels):
                    row = first_row + level * n_plane + token
                    for entry in range(first_entry + row_end[row], first_entry + row_end[row + 1]):
                        f, b = np.int64(feature[entry]), np.int64(code[entry] >> fold)
                        area_l2k[level, side, f * n_bins + b] += whole
                        slot = slot_f[f]
                        if slot < 0:
                            slot = n
                            slot_f[f], feature_s[slot] = slot, f
                            n += 1
                        held_lbs[level, b, slot] += area
                        low, top = min(low, b), max(top, b)
            # 10 * held >= area, in whole numbers.
            tenth = -(-object_area[first_object + o] // 10)
            all_tenth = -(-n_levels * object_area[first_object + o] // 10)
            # How many bins from the top down do not hold enough.
            for b in range(top, low - 1, -1):
                for level in range(n_levels):
                    for slot in range(n):
                        held = held_lbs[level, b, slot]
                        held_lbs[level, b, slot] = 0
                        so_far_ps[0, slot] += held
                        so_far = so_far_ps[level + 1, slot] + held
                        so_far_ps[level + 1, slot] = so_far
                        n_above_ps[level + 1, slot] += np.int64(so_far < tenth)
                for slot in range(n):
                    n_above_ps[0, slot] += np.int64(so_far_ps[0, slot] < all_tenth)
            for pool in range(n_levels + 1):
                for slot in range(n):
                    b = top - n_above_ps[pool, slot]
                    so_far_ps[pool, slot] = n_above_ps[pool, slot] = 0
                    if b >= low:
                        reached_pk[pool, feature_s[slot] * n_bins + b] += 1
            for slot in range(n):
                slot_f[feature_s[slot]] = -1


# All divisions are by what is above 0, and need no look at it.
@numba.njit(nogil=True, error_model="numpy")
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
        best, pool_f[f], bin_f[f] = 0.0, 0, 0
        for pool in range(n_levels + 1):
            # Features that reach no object are many, and no F1 of theirs is above 0.
            is_reached = False
            for b in range(n_bins):
                is_reached |= reached_pfb[pool, f, b] > 0
            if not is_reached:
                continue
            first, last = (0, n_levels) if pool == 0 else (pool - 1, pool)
            on, covered, reached, best_here, bin_here = 0.0, 0.0, 0, 0.0, 0
            for b in range(n_bins - 1, -1, -1):
                for level in range(first, last):
                    # Whole numbers below 2^53: no sum or difference rounds.
                    on += area_l2fb[level, 0, f, b]
                    covered += total_lfb[level, f, b] - area_l2fb[level, 1, f, b]
                reached += reached_pfb[pool, f, b]
                f1 = 0.0
                if on > 0 and reached > 0:
                    precision, recall = on / covered, reached / n_objects
                    f1 = 2 * precision * recall / (precision + recall)
                if f1 >= best_here:
                    best_here, bin_here = f1, b
            if best_here > best:
                best, pool_f[f], bin_f[f] = best_here, pool, bin_here
        f1_f[f] = best
