"""How much area each feature covers on and off a label, threshold by threshold, and which objects it reaches.

A variant is a label as it is, or shifted by a null. The sums are over the entries of the tokens that the label touches, and
once over all entries, so that their cost grows with what is on. All are of whole numbers: exact, in whatever order they are taken.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aurorascope.atlas.bins import Bins
from aurorascope.atlas.entries import Entries
from aurorascope.atlas.sums import add_label, add_total
from aurorascope.atlas.token_labels import TokenLabels

_MEMORY = 1 << 27
# Entries of the snapshots that all variants are counted over before the next ones, so that they are still at hand.
_ENTRIES = 1 << 22

Use = Callable[[int, "Counts"], None]


@dataclass(frozen=True)
class Variant:
    """A label, or a label shifted.

    Attributes:
        label: its place.
        cells: columns of the input grid that the label is shifted eastwards by.
        source: (times,) whose label each snapshot takes, as a place among the labels' times; None for its own.
    """

    label: int
    cells: int = 0
    source: np.ndarray | None = None

    def snapshots(self, places: np.ndarray) -> np.ndarray:
        """Whose labels some snapshots take."""
        return places if self.source is None else self.source[places]


@dataclass(frozen=True)
class Counts:
    """Sums of one variant over a split.

    Attributes:
        area_l2fb: (levels, on or not counted, features, bins) int64, area of tokens on for the label, and of those that do not
            count, by the feature's bin.
        total_lfb: (levels, features, bins) float64, area of all tokens.
        reached_pfb: (levels + 1, features, bins) objects by the highest bin whose tokens, with those above, hold a tenth of
            the object's area; level pool 0 is all levels together.
        n_objects: objects.
        on_area: area where the label is on, of one level.
        off_area: where it is off.
    """

    area_l2fb: np.ndarray
    total_lfb: np.ndarray
    reached_pfb: np.ndarray
    n_objects: int
    on_area: int
    off_area: int

    @functools.cached_property
    def on_lfb(self) -> np.ndarray:
        """Area of tokens on for the label, by the feature's bin, (levels, features, bins) float64."""
        return self.area_l2fb[:, 0].astype(np.float64)

    @functools.cached_property
    def off_lfb(self) -> np.ndarray:
        """The same, for tokens that are off for the label."""
        return self.total_lfb - self.area_l2fb.sum(axis=1)


def total_counts(entries: Entries, bins: Bins, snapshots: np.ndarray, area_p: np.ndarray) -> np.ndarray:
    """Area that each feature covers by bin, whatever the label, (levels, features, bins) float64."""
    coded = entries.coded(bins)
    total_lk = np.zeros((entries.n_levels, entries.n_features * bins.n), np.int64)
    for first in coded.first_s2[snapshots]:
        add_total(coded.feature, coded.code, coded.row_end, first, bins.n, np.asarray(area_p, np.int64), total_lk)
    return total_lk.reshape(entries.n_levels, entries.n_features, bins.n).astype(np.float64)


def count(
    entries: Entries, bins: Bins, labels: TokenLabels, variants: Sequence[Variant], snapshots: np.ndarray, at: np.ndarray,
    total_lfb: np.ndarray, use: Use, fold: int = 1, memory: int = _MEMORY, most: int = _ENTRIES,
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
        fold: so many neighbouring bins count as one, a power of two.
        memory: bytes that the counts of the variants in work may take.
        most: entries of the snapshots that all variants in work are counted over before the next ones.
    """
    n_bins, n_features, levels = bins.n // fold, entries.n_features, entries.n_levels
    folded_lfb = total_lfb.reshape(*total_lfb.shape[:2], n_bins, fold).sum(axis=-1)
    size, coded = n_features * n_bins, entries.coded(bins)
    groups = _groups(entries, snapshots, most)
    # Where the entries are read once anyway, one variant after the other, whose sums stay in the processor's cache.
    step = 1 if len(groups) == 1 else max(1, int(memory // (size * (2 * levels * 8 + (levels + 1) * 4))))
    # Made here, since each of these calls would take longer to compile than the loops.
    slot_2f = np.stack([np.full(n_features, -1), np.zeros(n_features, np.int64)])
    held_lbs, sum_2ps = np.zeros((levels, n_bins, n_features), np.int64), np.zeros((2, levels + 1, n_features), np.int64)
    start_o, order_i = np.empty(labels.most_objects + 2, np.int64), np.empty(labels.most_parts, np.int64)
    whole, area_p = int(labels.plane.area_p.sum()) * len(snapshots), labels.plane.area_p
    for first in range(0, len(variants), step):
        here = variants[first : first + step]
        area, reached = np.zeros((len(here), levels, 2, size), np.int64), np.zeros((len(here), levels + 1, size), np.int32)
        for group in groups:
            first_s2, places = coded.first_s2[group], at[group]
            for place, variant in enumerate(here):
                found, sources = labels.of(variant.label, variant.cells), variant.snapshots(places)
                add_label(
                    coded.feature, coded.code, coded.row_end, first_s2, n_bins, fold.bit_length() - 1,
                    found.parts.token, found.parts.object, found.parts.area, found.parts.kind, found.part_s2[sources],
                    found.object_area, found.object_s2[sources], found.token_of, area_p, slot_2f, held_lbs,
                    sum_2ps, start_o, order_i, area[place], reached[place],
                )
        for place, variant in enumerate(here):
            sources = variant.snapshots(at[snapshots])
            on, not_counted = labels.areas(variant.label, sources, variant.cells)
            use(first + place, Counts(
                area[place].reshape(levels, 2, n_features, n_bins), folded_lfb, reached[place].reshape(levels + 1, n_features, n_bins),
                int(labels.n_objects(variant.label, sources).sum()), on, whole - on - not_counted,
            ))


def _groups(entries: Entries, snapshots: np.ndarray, most: int) -> list[np.ndarray]:
    """Some snapshots, in groups of about so many entries, at least one in each."""
    group = np.cumsum(entries.n_of(snapshots)) // most
    return np.split(snapshots, np.flatnonzero(np.diff(group)) + 1)
