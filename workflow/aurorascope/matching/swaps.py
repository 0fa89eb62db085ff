"""Dates taken two by two, each far from the other: what features of one date have in common with those of the other is chance."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

LEAST_DATES = 4
"""With fewer, a date is much of the mean that its features are compared with, and so is the other: no chance could be told from that."""


@dataclass(frozen=True)
class Hour:
    """Snapshots of one hour of the day.

    Attributes:
        pairs: places of the snapshots that are taken for each other.
        alone: places of those that are left.
    """

    pairs: tuple[tuple[int, int], ...]
    alone: tuple[int, ...]

    @property
    def order(self) -> tuple[int, ...]:
        """All of them, pair after pair."""
        return (*(place for pair in self.pairs for place in pair), *self.alone)


@dataclass(frozen=True)
class Swaps:
    """How dates are taken.

    Attributes:
        hours: by hour of the day.
        days: least number of days between two of a pair; None without pairs.
        reason: why there is no chance; empty where there is.
    """

    hours: tuple[Hour, ...]
    days: int | None
    reason: str

    @property
    def order(self) -> tuple[int, ...]:
        """All snapshots in the order in which they are read, hour after hour."""
        return tuple(place for hour in self.hours for place in hour.order)


def swap_dates(times: Sequence[str]) -> Swaps:
    """Pair each snapshot with the one half of the dates away, hour by hour.

    Args:
        times: of the snapshots, `YYYY-MM-DDTHH:00:00Z`, ascending.
    """
    n_dates = len({time[:10] for time in times})
    is_enough = n_dates >= LEAST_DATES
    hours, days = [], []
    for hour in sorted({time[11:] for time in times}):
        places = [place for place, time in enumerate(times) if time[11:] == hour]
        half = len(places) // 2 if is_enough else 0
        hours.append(Hour(tuple(zip(places[:half], places[half : 2 * half], strict=True)), tuple(places[2 * half :])))
        days += [(_day(times[second]) - _day(times[first])).days for first, second in hours[-1].pairs]
    reason = "" if is_enough else f"{n_dates} held-out dates, fewer than {LEAST_DATES}, of which none stands for another"
    return Swaps(tuple(hours), min(days, default=None), reason)


def _day(time: str) -> datetime.date:
    return datetime.date.fromisoformat(time[:10])
