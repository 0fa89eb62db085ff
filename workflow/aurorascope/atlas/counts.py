"""How much area each feature covers on and off a label, threshold by threshold, and which objects it reaches.

A variant is a label as it is, or shifted by a null. The sums are over the entries of the tokens that the label touches, and
once over all entries, so that their cost grows with what is on. All are of whole numbers below 2^53, in float64: exact, in
whatever order they are taken.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aurorascope.atlas.bins import Bins
from aurorascope.atlas.entries import Chunk, Entries
from aurorascope.atlas.scratch import spans
from aurorascope.atlas.token_labels import NOT_COUNTED, OFF, TokenLabels

_MEMORY = 1 << 27

Use = Callable[[int, "Counts"], None]


@dataclass(frozen=True)
class Variant:
    """A label, or a label shifted.

    Attributes:
        label: its place.
        columns: tokens that the label is shifted eastwards by.
        source: (times,) whose label each snapshot takes, as a place among the labels' times; None for its own.
    """

    label: int
    columns: int = 0
    source: np.ndarray | None = None

    def snapshots(self, places: np.ndarray) -> np.ndarray:
        """Whose labels some snapshots take."""
        return places if self.source is None else self.source[places]


@dataclass(frozen=True)
class Counts:
    """Sums of one variant over a split.

    Attributes:
        on_lfb: (levels, features, bins) area of tokens on for the label, by the feature's bin.
        off_lfb: the same, for tokens that are off for the label.
        reached_pfb: (levels + 1, features, bins) objects by the highest bin whose tokens, with those above, hold a tenth of
            the object's area; level pool 0 is all levels together.
        n_objects: objects.
        on_area: area where the label is on, of one level.
        off_area: where it is off.
    """

    on_lfb: np.ndarray
    off_lfb: np.ndarray
    reached_pfb: np.ndarray
    n_objects: int
    on_area: int
    off_area: int


def total_counts(entries: Entries, bins: Bins, snapshots: np.ndarray, area_p: np.ndarray) -> np.ndarray:
    """Area that each feature covers by bin, whatever the label, (levels, features, bins) float64."""
    shape = (entries.n_levels, entries.n_features, bins.n)
    total = np.zeros((shape[0], shape[1] * shape[2]))
    for chunk in entries.chunks(snapshots):
        key = entries.bins_of(chunk, bins)
        for rows, level in _level_rows(entries, len(chunk.snapshots)):
            counts = chunk.ends[rows + 1] - chunk.ends[rows]
            weight = np.repeat(np.tile(area_p, len(chunk.snapshots)).astype(np.float64), counts)
            total[level] += np.bincount(_take(key, chunk.ends, rows, counts), weight, total.shape[1])
    return total.reshape(shape)


def count(
    entries: Entries, bins: Bins, labels: TokenLabels, variants: Sequence[Variant], snapshots: np.ndarray, at: np.ndarray,
    total_lfb: np.ndarray, use: Use, fold: int = 1, memory: int = _MEMORY,
) -> None:
    """Count all variants over some snapshots, as many at a time as fit.

    Args:
        entries: of the features.
        bins: their bins.
        labels: the labels.
        variants: what is counted.
        snapshots: places among the entries, ascending.
        at: (entries' snapshots,) place of each among the labels' times.
        total_lfb: `total_counts` of the same snapshots.
        use: called with each variant's place and counts, which it must not keep all.
        fold: so many neighbouring bins count as one.
        memory: bytes that the counts of the variants in work may take.
    """
    n_bins, n_features = bins.n // fold, entries.n_features
    folded_lfb = total_lfb.reshape(*total_lfb.shape[:2], n_bins, fold).sum(axis=-1)
    size, levels = n_features * n_bins, entries.n_levels
    step = max(1, int(memory // (size * (2 * levels * 8 + (levels + 1) * 4))))
    for first in range(0, len(variants), step):
        here = variants[first : first + step]
        area = np.zeros((len(here), levels, 2, size))
        reached = np.zeros((len(here), levels + 1, size), np.int32)
        for chunk in entries.chunks(snapshots):
            key = entries.bins_of(chunk, bins)
            if fold > 1:
                key //= fold
            for place, variant in enumerate(here):
                _add(entries, chunk, key, labels, variant, at, n_bins, area[place], reached[place])
        for place, variant in enumerate(here):
            sources = variant.snapshots(at[snapshots])
            on, not_counted = labels.areas(variant.label, sources)
            on_lfb, between_lfb = (area[place, :, i].reshape(folded_lfb.shape) for i in (0, 1))
            use(first + place, Counts(
                on_lfb, folded_lfb - on_lfb - between_lfb, reached[place].reshape(levels + 1, n_features, n_bins),
                int(labels.n_objects(variant.label, sources).sum()), on,
                int(labels.plane.area_p.sum()) * len(snapshots) - on - not_counted,
            ))


def _level_rows(entries: Entries, n_snapshots: int) -> list[tuple[np.ndarray, int]]:
    """Rows of a chunk's tokens of each level, snapshot after snapshot."""
    plane, first = np.arange(entries.n_plane), np.arange(n_snapshots)[:, None] * entries.n_tokens
    return [((first + level * entries.n_plane + plane).reshape(-1), level) for level in range(entries.n_levels)]


def _take(key: np.ndarray, ends: np.ndarray, rows: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The entries of some rows, one row after the other."""
    if len(counts) and counts[0] * (len(ends) - 1) == len(key) and (counts == counts[0]).all():
        # All rows have as many: whole rows are copied.
        return key.reshape(len(ends) - 1, counts[0])[rows].reshape(-1) if counts[0] else key[:0]
    return key[spans(ends[rows], counts)]


def _add(
    entries: Entries, chunk: Chunk, key: np.ndarray, labels: TokenLabels, variant: Variant, at: np.ndarray, n_bins: int,
    area_l2k: np.ndarray, reached_pk: np.ndarray,
) -> None:
    """Count one variant over one chunk."""
    sources = variant.snapshots(at[chunk.snapshots])
    parts, n_parts = labels.parts(variant.label, sources)
    if not len(parts.token):
        return
    columns = labels.plane.shape[1]
    row, column = np.divmod(parts.token, columns)
    token = row.astype(np.int64) * columns + (column + variant.columns) % columns
    n_levels, _, size = area_l2k.shape
    level_l1 = np.arange(n_levels)[:, None]
    first_row = np.repeat(np.arange(len(chunk.snapshots)) * entries.n_tokens, n_parts) + token
    rows = (first_row + level_l1 * entries.n_plane).reshape(-1)
    counts = chunk.ends[rows + 1] - chunk.ends[rows]
    here = _take(key, chunk.ends, rows, counts)

    # What is off counts in the total alone.
    weight = np.where(parts.kind == OFF, 0.0, labels.plane.area_p[token].astype(np.float64))
    to_lp = (2 * level_l1 + (parts.kind == NOT_COUNTED)) * size
    area_l2k += np.bincount(here + np.repeat(to_lp, counts), _tiled(weight, counts, n_levels), area_l2k.size).reshape(area_l2k.shape)

    n_objects = labels.n_objects(variant.label, sources)
    object_p = np.repeat(np.cumsum(n_objects) - n_objects, n_parts) + parts.object
    object_area = labels.object_area[variant.label][spans(labels.object_ends[variant.label][sources], n_objects)]
    to_lp = (level_l1 * len(object_area) + object_p) * entries.n_features
    area = _tiled(parts.area.astype(np.float64), counts, n_levels)
    _reach(here, np.repeat(to_lp, counts), area, object_area, n_bins, reached_pk)


def _tiled(values_p: np.ndarray, counts_lp: np.ndarray, n_levels: int) -> np.ndarray:
    """A value of each part, for each of its entries at each level."""
    return np.repeat(np.tile(values_p, n_levels), counts_lp)


def _reach(
    here: np.ndarray, to: np.ndarray, area: np.ndarray, object_area: np.ndarray, n_bins: int, reached_pk: np.ndarray
) -> None:
    """Count objects by the highest bin at which a feature holds a tenth of them, at each level and at all together.

    Args:
        here: of each entry, feature * bins + bin.
        to: of each entry, (level * objects + object) * features.
        area: of each entry, the object's in the token.
        object_area: (objects,) int64, of one level.
        n_bins: bins, a power of two.
        reached_pk: (levels + 1, features * bins), added to.
    """
    n_levels, n_features, n_objects = len(reached_pk) - 1, reached_pk.shape[1] // n_bins, len(object_area)
    pair = here >> (n_bins.bit_length() - 1)
    pair += to
    # 10 * held >= area, in whole numbers.
    tenth_o = (-(-object_area // 10)).astype(np.float64)
    held_lof = np.bincount(pair, area, n_levels * n_objects * n_features).reshape(n_levels, n_objects, n_features)
    # Where all bins together do not hold a tenth at any level, none does, nor all levels together.
    found = np.flatnonzero((held_lof >= tenth_o[:, None]).any(axis=0))
    if not len(found):
        return
    n_found = n_levels * len(found)
    place_lq = np.full((n_levels, n_objects * n_features), -1, np.int32)
    place_lq[:, found] = np.arange(n_found).reshape(n_levels, -1)
    place = place_lq.reshape(-1)[pair]
    kept = np.flatnonzero(place >= 0)
    place = place[kept] + (here[kept] & (n_bins - 1)) * n_found
    held_blq = np.bincount(place, area[kept], n_bins * n_found).reshape(n_bins, n_levels, len(found))
    object_, feature = np.divmod(found, n_features)
    all_o = (-(-n_levels * object_area // 10)).astype(np.float64)
    needed_q, all_needed_q = tenth_o[object_], all_o[object_]
    # Bins from the highest down, as long as they hold enough together.
    above_lq, n_reached_pq = np.zeros((n_levels, len(found))), np.zeros((n_levels + 1, len(found)), np.int64)
    for held_lq in held_blq[::-1]:
        above_lq += held_lq
        n_reached_pq[1:] += above_lq >= needed_q
        n_reached_pq[0] += above_lq.sum(axis=0) >= all_needed_q
    pool, q = np.nonzero(n_reached_pq)
    to_bin = pool * reached_pk.shape[1] + feature[q] * n_bins + n_reached_pq[pool, q] - 1
    reached_pk += np.bincount(to_bin, minlength=reached_pk.size).astype(np.int32).reshape(reached_pk.shape)
