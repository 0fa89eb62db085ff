"""Dates taken two by two, each far from the other: what features of one date have in common with those of the other is chance."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_DATES = 4
"""With fewer, a date is much of the mean that its features are compared with, and so is the other: no chance could be told from that."""


@dataclass(frozen=True)
class Swaps:
    """How dates are taken.

    Attributes:
        pairs: places of the snapshots that are taken for each other, of one hour of the day.
        alone: places of those that are left.
        days: least number of days between two of a pair; None without pairs.
        reason: why there is no chance; empty where there is.
    """

    pairs: tuple[tuple[int, int], ...]
    alone: tuple[int, ...]
    days: int | None
    reason: str

    @property
    def order(self) -> tuple[int, ...]:
        """All snapshots in the order in which they are read, pair after pair."""
        return (*(place for pair in self.pairs for place in pair), *self.alone)


def swap_dates(times: Sequence[str]) -> Swaps:
    """Pair each snapshot with the one half of the dates away, hour by hour.

    Args:
        times: of the snapshots, `YYYY-MM-DDTHH:00:00Z`, ascending.
    """
    pairs, alone, days = [], [], []
    for hour in sorted({time[11:] for time in times}):
        places = [place for place, time in enumerate(times) if time[11:] == hour]
        half = len(places) // 2
        pairs += list(zip(places[:half], places[half : 2 * half], strict=True))
        alone += places[2 * half :]
    for first, second in pairs:
        days.append((_day(times[second]) - _day(times[first])).days)
    n_dates = len({time[:10] for time in times})
    if n_dates < LEAST_DATES or not pairs:
        return Swaps((), tuple(range(len(times))), None, f"{n_dates} held-out dates, fewer than {LEAST_DATES}, of which none stands for another")
    return Swaps(tuple(pairs), tuple(alone), min(days), "")


def _day(time: str) -> datetime.date:
    return datetime.date.fromisoformat(time[:10])
