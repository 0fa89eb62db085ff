"""What an atlas is made with; every number that a verdict depends on stands here and in the record."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from aurorascope.errors import UserError


@dataclass(frozen=True)
class AtlasSettings:
    """Settings of one block's atlas.

    Attributes:
        seed: of the splits' first block, the nulls' shifts, the bootstrap and the pairs of dates.
        block_days: dates of one block of a split.
        drop_days: dates left out between two blocks; runs of dates further apart are blocks of their own.
        least_blocks: blocks that each of the two splits must have.
        least_objects: objects of a label in each split, below which it is too rare.
        least_label_blocks: blocks in which a label has objects in each split, below which it is too rare.
        bins: thresholds of a score, spaced evenly in the logarithm.
        null_bins: those that score and nulls are compared with, every (bins / null_bins)-th of them.
        octaves: how far below a feature's largest value the lowest of its thresholds but one lies, in factors of two.
        rotations: shifts in longitude that a score is compared with, at most.
        date_shifts: shifts in time, at most.
        held_out_nulls: further shifts of each kind that the gate tries, at most.
        null_snapshots: snapshots of `select` that scores and nulls are compared on, evenly spaced, at most.
        least_distinct: distinct shifts of a kind that a grid or the dates must have for a verdict.
        least_degrees: smallest shift in longitude.
        least_days: smallest shift in time.
        most_days: largest shift in time.
        alpha: largest empirical p of a score that beats a null.
        q: largest share of false ones among what is labelled, by decoys.
        gate: how many times `alpha` of the gate's decoys may be labelled.
        least_f1: F1 on `test` that a label needs.
        least_margin: by how much a label's F1 must be above that of the feature's next label.
        components: principal components that compete with features.
        resamples: of the bootstrap.
        examples: strongest tokens that are listed of each feature.
        labels_kept: labels of a feature that the table of labels lists.
        scale_snapshots: snapshots that `scale_km` is measured on.
        lock_pairs: pairs of dates that `lock` is measured on, at most.
    """

    seed: int = 0
    block_days: int = 10
    drop_days: int = 6
    least_blocks: int = 2
    least_objects: int = 25
    least_label_blocks: int = 5
    bins: int = 64
    null_bins: int = 16
    octaves: int = 8
    rotations: int = 64
    date_shifts: int = 64
    held_out_nulls: int = 16
    null_snapshots: int = 60
    least_distinct: int = 19
    least_degrees: float = 30.0
    least_days: int = 10
    most_days: int = 40
    alpha: float = 0.05
    q: float = 0.05
    gate: float = 1.5
    least_f1: float = 0.3
    least_margin: float = 0.05
    components: int = 64
    resamples: int = 1000
    examples: int = 8
    labels_kept: int = 3
    scale_snapshots: int = 4
    lock_pairs: int = 16

    def __post_init__(self) -> None:
        """Refuse bins that cannot be folded or spaced."""
        if self.bins & (self.bins - 1) or self.null_bins & (self.null_bins - 1) or not 0 < self.null_bins <= self.bins:
            raise UserError("atlas settings bins, null_bins", "powers of two, null_bins no more", f"{self.bins}, {self.null_bins}", "set 64, 16")
        if self.octaves < 1 or self.bins % self.octaves:
            raise UserError("atlas setting octaves", f"a part of {self.bins} bins", str(self.octaves), "set 8")

    def as_dict(self) -> dict[str, Any]:
        """Name and value of each, as the record has them."""
        return dataclasses.asdict(self)
