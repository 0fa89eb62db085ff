"""Dates that choose a threshold and dates that it is reported on: blocks of dates in turn, with dates left out between.

A run is a stretch of dates with no gap of more than `drop_days` dates in it. A long run is cut into blocks of `block_days`
with `drop_days` left out after each; a short one, as of a demo that takes four days here and four there, is a block. Blocks
go to `select` and `test` in turn, through all runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aurorascope.atlas.settings import AtlasSettings
from aurorascope.streams import Stream, generator

SELECT, TEST, DROPPED = 0, 1, -1


def days_of(times: Sequence[str]) -> np.ndarray:
    """Date of each ISO time, whole days since 1970, int64."""
    return np.array([time[:10] for time in times], "datetime64[D]").astype(np.int64)


@dataclass(frozen=True)
class Splits:
    """Which snapshots choose, which test, and in which block of dates each lies.

    Attributes:
        split: of each snapshot, `SELECT`, `TEST` or `DROPPED`.
        block: of each snapshot, numbered through both splits; -1 where dropped.
        n_blocks: blocks of `select` and of `test`.
        n_dates: dates of each.
        reason: "too_few_dates" where a split has too few blocks, else empty.
    """

    split: np.ndarray
    block: np.ndarray
    n_blocks: tuple[int, int]
    n_dates: tuple[int, int]
    reason: str

    def of(self, split: int) -> np.ndarray:
        """Places of a split's snapshots, ascending."""
        return np.flatnonzero(self.split == split)


def date_blocks(days: np.ndarray, settings: AtlasSettings) -> np.ndarray:
    """Block of each day, from 0 in the order of dates; -1 for those left out between blocks."""
    dates = np.unique(days)
    is_first = np.diff(dates, prepend=dates[:1] - settings.drop_days - 2) > settings.drop_days + 1
    start = dates[is_first][np.cumsum(is_first) - 1] if len(dates) else dates
    block, place = np.divmod(dates - start, settings.block_days + settings.drop_days)
    key = np.cumsum(is_first) * (len(dates) + int(block.max(initial=0)) + 1) + block
    kept = place < settings.block_days
    number = np.full(len(dates), -1)
    number[kept] = np.unique(key[kept], return_inverse=True)[1]
    return number[np.searchsorted(dates, days)]


def make_splits(times: Sequence[str], settings: AtlasSettings) -> Splits:
    """Share the snapshots of some times out; those of one date stay together."""
    days = days_of(times)
    block = date_blocks(days, settings)
    first = int(generator(Stream.ATLAS_SPLITS, settings.seed).integers(2))
    split = np.where(block < 0, DROPPED, (block + first) % 2)
    n_blocks, n_dates = (
        tuple(len(np.unique(values[split == each])) for each in (SELECT, TEST)) for values in (block, days)
    )
    reason = "too_few_dates" if min(n_blocks) < settings.least_blocks else ""
    return Splits(split, block, n_blocks, n_dates, reason)
