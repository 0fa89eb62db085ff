"""What a score is compared with: the label shifted in longitude, and the label of another date; and the verdicts that follow.

A rotation shifts all dates alike: it keeps latitude, season and the label's shape. A date shift takes the
label of another date at the same hour: it keeps the place. Every shift is chosen and scored as the label itself is.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aurorascope.atlas.plane import Plane
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.atlas.splits import date_blocks, days_of
from aurorascope.streams import Stream, generator

ROTATION, DATE_SHIFT = "rotation", "date_shift"
# Share of dates that must find another at a shift's own distance.
_EXACT = 0.9
# Held-out turns are so many times as far from the label as turns must be: a label is wide, and what a turn of little more than the
# least finds of it is not false.
_FAR = 2
# By whether the rotations and the date shifts are beaten.
VERDICTS = {(True, True): "event", (True, False): "place", (False, True): "zonal/season", (False, False): "unlabelled"}


@dataclass(frozen=True)
class Nulls:
    """The shifts of one kind.

    Attributes:
        kind: `ROTATION` or `DATE_SHIFT`.
        n_distinct: how many the grid or the dates have.
        shifts: those that scores are compared with: columns of cells eastwards, or (times,) sources.
        held_out: further ones, which the gate tries; rotations are twice as far from the label as they must be.
        against: of each held-out shift, which of all, held-out ones last, it is compared with: as many as the label is; of turns those
            that are as far from it as turns must be from the label.
        rule: what rotations are whole numbers of, "tokens" or "cells"; how a date shift takes its dates, "days" or "runs".
        reason: "too_coarse" where there are too few distinct ones, or too few for p to reach `alpha`; else empty.
    """

    kind: str
    n_distinct: int
    shifts: tuple
    held_out: tuple
    against: tuple[np.ndarray, ...]
    rule: str
    reason: str


def rotations(plane: Plane, settings: AtlasSettings) -> Nulls:
    """Shifts in longitude of at least `least_degrees` either way, in columns of cells.

    By whole tokens, as far as all tokens are as wide and enough such shifts are distinct; else by cells of the input grid, on
    which a label is turned before it is brought to the tokens. Turns by all of a circle's cells are a group, so that an empirical
    p holds for them however alike neighbouring turns are.
    """
    found, rule = _turns(plane.n_lon, plane.width, settings), "tokens"
    if len(found) < settings.least_distinct:
        found, rule = _turns(plane.n_lon, 1, settings), "cells"

    def apart(one: int, other: int) -> float:
        between = abs(one - other)
        return min(between, plane.n_lon - between) * 360.0 / plane.n_lon / settings.least_degrees

    n_shifts, n_held_out = _how_many(len(found), settings.rotations, settings)
    # Spread evenly, so that they are as little alike as can be.
    spread = np.linspace(0, len(found) - 1, n_shifts + n_held_out).round().astype(np.int64)
    picked = generator(Stream.ATLAS_NULLS, settings.seed, 0).permutation(spread).tolist()
    held_out = [at for at in picked if apart(found[at], 0) >= _FAR - 1e-9][:n_held_out]
    shifts = [at for at in picked if at not in held_out][:n_shifts]
    every = [found[at] for at in (*shifts, *held_out)]
    against = tuple(
        np.array([at for at, other in enumerate(every) if apart(one, other) >= 1 - 1e-9][:n_shifts], np.int64)
        for one in every[len(shifts) :]
    )
    return _nulls(ROTATION, len(found), every, against, rule, settings)


def _turns(n_cells: int, step: int, settings: AtlasSettings) -> list[int]:
    """Multiples of a step that are far enough; none of a step of 0."""
    shifts = np.arange(step, n_cells, step) if step else np.empty(0, np.int64)
    degrees = np.minimum(shifts, n_cells - shifts) * 360.0 / n_cells
    return [int(shift) for shift in shifts[degrees >= settings.least_degrees - 1e-9]]


def date_shifts(times: Sequence[str], settings: AtlasSettings) -> Nulls:
    """Sources of labels: each snapshot takes that of another date at its hour.

    In a long stretch of dates ("days") a shift is a number of days from `least_days` to `most_days`, either way; who finds none there
    looks the other way, and then for the nearest such number that there is. Else ("runs") dates lie in short runs: a shift takes, for
    all dates of a run, the dates of another run, each a fixed number of places further on.
    """
    return _date_shifts(tuple(times), settings)


@functools.lru_cache(maxsize=1)
def _date_shifts(times: tuple[str, ...], settings: AtlasSettings) -> Nulls:
    """Of the same dates they are the same for all blocks."""
    days, hours = days_of(times), np.array([time[10:] for time in times])
    found = _by_days(days, hours, settings)
    rule = "days"
    if len(found) < settings.least_distinct:
        by_runs = _by_runs(days, hours, settings)
        if len(by_runs) > len(found):
            found, rule = by_runs, "runs"
    n_shifts, n_held_out = _how_many(len(found), settings.date_shifts, settings)
    picked = generator(Stream.ATLAS_NULLS, settings.seed, 1).permutation(len(found))[: n_shifts + n_held_out].tolist()
    # Shifts in time are no circle. Without its neighbours the largest would lie beyond all others where there is a trend; spread evenly,
    # each would lie between two that share nearly all of its dates.
    against = (np.arange(n_shifts),) * n_held_out
    return _nulls(DATE_SHIFT, len(found), [found[at] for at in picked], against, rule, settings)


def _how_many(n: int, wanted: int, settings: AtlasSettings) -> tuple[int, int]:
    """How many of n shifts are nulls, and how many are held out for the gate; of few, a fifth is held out."""
    n_held_out = min(settings.held_out_nulls, max(n - wanted, n // 5))
    return min(wanted, n - n_held_out), n_held_out


def _nulls(kind: str, n_distinct: int, every: list, against: tuple[np.ndarray, ...], rule: str, settings: AtlasSettings) -> Nulls:
    """From all shifts, held-out ones last."""
    n_shifts = len(every) - len(against)
    # With few of them the lowest p that there is does not reach alpha, and nothing could be beyond them.
    is_few = n_distinct < settings.least_distinct or 1 / (1 + n_shifts) > settings.alpha
    reason = "too_coarse" if is_few else ""
    return Nulls(kind, n_distinct, tuple(every[:n_shifts]), tuple(every[n_shifts:]), against, rule, reason)


def _places(days: np.ndarray, hours: np.ndarray) -> dict[tuple[int, str], int]:
    return {key: place for place, key in enumerate(zip(days.tolist(), hours.tolist(), strict=True))}


def _distinct(sources: list[np.ndarray]) -> list[np.ndarray]:
    return [np.frombuffer(raw, np.int64) for raw in dict.fromkeys(source.tobytes() for source in sources)]


def _by_days(days: np.ndarray, hours: np.ndarray, settings: AtlasSettings) -> list[np.ndarray]:
    place, found = _places(days, hours), []
    keys = list(zip(days.tolist(), hours.tolist(), strict=True))
    sizes = range(settings.least_days, settings.most_days + 1)
    for size in sizes:
        nearest = sorted(sizes, key=lambda other, size=size: abs(other - size))
        for sign in (1, -1):
            moves = [each for other in nearest for each in (sign * other, -sign * other)]
            source = [next((place[day + move, hour] for move in moves if (day + move, hour) in place), -1) for day, hour in keys]
            exact = [abs(days[to] - day) == size for (day, _), to in zip(keys, source, strict=True)]
            if min(source, default=-1) >= 0 and np.mean(exact) >= _EXACT:
                found.append(np.array(source, np.int64))
    return _distinct(found)


def _by_runs(days: np.ndarray, hours: np.ndarray, settings: AtlasSettings) -> list[np.ndarray]:
    place, block = _places(days, hours), date_blocks(days, settings)
    dates = [np.unique(days[block == number]) for number in range(block.max(initial=-1) + 1)]
    longest, found = max((len(each) for each in dates), default=0), []
    for runs in range(1, len(dates)):
        for step in range(longest):
            source = np.full(len(days), -1, np.int64)
            for at, (day, hour, number) in enumerate(zip(days.tolist(), hours.tolist(), block.tolist(), strict=True)):
                if number < 0:
                    source[at] = at
                    continue
                other = dates[(number + runs) % len(dates)]
                here = int(np.searchsorted(dates[number], day))
                source[at] = place.get((int(other[(here + step) % len(other)]), hour), -1)
            if source.min(initial=0) >= 0:
                found.append(source)
    return _distinct(found)


def p_values(real_f: np.ndarray, null_rf: np.ndarray) -> np.ndarray:
    """Empirical p of scores, (1 + #{r: null_r >= real}) / (1 + R); its floor is 1 / (1 + R)."""
    return (1 + (null_rf >= real_f).sum(axis=0)) / (1 + len(null_rf))


def z_values(real_f: np.ndarray, null_rf: np.ndarray) -> np.ndarray:
    """Standard deviations above the mean of the nulls; NaN where they are all equal, but for rounding."""
    spread = null_rf.std(axis=0)
    return np.divide(real_f - null_rf.mean(axis=0), spread, out=np.full(len(real_f), np.nan), where=spread > 1e-9)


def verdict_of(beats_rotation: np.ndarray, beats_date_shift: np.ndarray) -> np.ndarray:
    """The word for each pair of answers, an array of strings."""
    both = np.array([[VERDICTS[a, b] for b in (False, True)] for a in (False, True)])
    return both[beats_rotation.astype(int), beats_date_shift.astype(int)]
