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
from aurorascope.atlas.token_labels import NOT_COUNTED, ON, Parts, TokenLabels

_MEMORY = 1 << 28


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
    total_lfb: np.ndarray, use: Callable[[int, Counts], None], fold: int = 1, memory: int = _MEMORY,
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
    size = area_l2k.shape[2]
    kind = np.where(parts.kind == ON, 0, np.where(parts.kind == NOT_COUNTED, size, 2 * size))
    weight = labels.plane.area_p[token].astype(np.float64)
    n_objects = labels.n_objects(variant.label, sources)
    first_object = np.cumsum(n_objects) - n_objects
    object_ = (np.repeat(first_object, n_parts) + parts.object) * entries.n_features
    object_area = labels.object_area[variant.label][spans(labels.object_ends[variant.label][sources], n_objects)]
    first_row = np.repeat(np.arange(len(chunk.snapshots)) * entries.n_tokens, n_parts) + token
    taken = []
    for level in range(entries.n_levels):
        rows = first_row + level * entries.n_plane
        counts = chunk.ends[rows + 1] - chunk.ends[rows]
        here = _take(key, chunk.ends, rows, counts)
        both = np.bincount(here + np.repeat(kind, counts), np.repeat(weight, counts), 3 * size)
        area_l2k[level] += both[: 2 * size].reshape(2, size)
        feature = here // n_bins
        taken.append((np.repeat(object_, counts) + feature, here - feature * n_bins, np.repeat(parts.area.astype(np.float64), counts)))
    _reach(taken, object_area, entries.n_features, n_bins, reached_pk)


def _reach(
    taken: list[tuple[np.ndarray, np.ndarray, np.ndarray]], object_area: np.ndarray, n_features: int, n_bins: int,
    reached_pk: np.ndarray,
) -> None:
    """Count objects by the highest bin at which a feature holds a tenth of them, at each level and at all together.

    Args:
        taken: per level, of each entry: object * features + feature, bin, area of the object in the token.
        object_area: (objects,) of one level.
        n_features: features.
        n_bins: bins.
        reached_pk: (levels + 1, features * bins), added to.
    """
    n_pairs, n_levels = len(object_area) * n_features, len(taken)
    # Where all bins together do not hold a tenth at any level, none does, nor all levels together.
    held_lq = [np.bincount(pair, area, n_pairs) for pair, _, area in taken]
    needed = np.repeat(object_area.astype(np.float64), n_features)
    found = np.flatnonzero(np.logical_or.reduce([10 * held >= needed for held in held_lq]))
    if not len(found):
        return
    place = np.full(n_pairs, -1, np.int64)
    place[found] = np.arange(len(found)) * n_bins
    held = np.zeros((n_levels + 1, len(found), n_bins))
    for level, (pair, bin_, area) in enumerate(taken):
        to = place[pair]
        kept = to >= 0
        held[level + 1] = np.bincount((to[kept] + bin_[kept]), area[kept], len(found) * n_bins).reshape(len(found), n_bins)
    held[0] = held[1:].sum(axis=0)
    above = np.cumsum(held[:, :, ::-1], axis=2)[:, :, ::-1]
    needed_pq1 = (needed[found] * np.array([n_levels, *[1] * n_levels])[:, None])[:, :, None]
    top_pq = (10 * above >= needed_pq1).sum(axis=2) - 1
    feature = found % n_features
    for pool, top in enumerate(top_pq):
        kept = top >= 0
        reached_pk[pool] += np.bincount(feature[kept] * n_bins + top[kept], minlength=reached_pk.shape[1]).astype(np.int32)
