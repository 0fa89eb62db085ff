"""Which snapshots, states and days a configuration means.

A snapshot at time t feeds Aurora the two states t - 12 h and t. Everything is UTC and written as
`YYYY-MM-DDTHH:00:00Z`, whatever the host's zone.
"""

import datetime
import functools
from dataclasses import dataclass

from aurorascope.config.model import Cams, Split
from aurorascope.errors import UserError
from aurorascope.spec import STEP_HOURS

STEP = datetime.timedelta(hours=STEP_HOURS)
SPLITS = ("train", "held_out")
ENOUGH_HELD_OUT = 20


@dataclass(frozen=True)
class Snapshot:
    """One forward of Aurora.

    Attributes:
        time: the later state, ISO, UTC.
        previous: the state 12 hours before.
    """

    time: str
    previous: str


def iso(moment: datetime.datetime) -> str:
    """`YYYY-MM-DDTHH:MM:SSZ` of a UTC datetime."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(date: str, hour: int) -> datetime.datetime:
    """The aware UTC datetime of an hour of a date, `YYYY-MM-DD`.

    Raises:
        UserError: there is no such date or hour.
    """
    try:
        return parse(f"{datetime.date.fromisoformat(date)}T{hour:02d}:00:00Z")
    except (TypeError, ValueError):
        raise UserError("the date", "a date that exists, YYYY-MM-DD, and an hour from 0 to 23", f"{date!r}, {hour!r}", "correct it") from None


def parse(time: str) -> datetime.datetime:
    """The aware UTC datetime of an ISO time.

    Aurora calls `.timestamp()` on it, which for naive datetimes would depend on the host's zone.
    """
    return datetime.datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)


def _date(text: str, key: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        raise UserError(f"config key {key}", "a date that exists, YYYY-MM-DD", text, "correct it") from None


def split_dates(split: Split, key: str) -> list[str]:
    """Dates of a split, ISO, ascending, each once.

    Raises:
        UserError: neither dates nor both of start and end are given, a date does not exist, or end is before start.
    """
    if split.dates is not None:
        return sorted({_date(text, f"{key}.dates").isoformat() for text in split.dates})
    if split.start is None or split.end is None:
        raise UserError(
            f"config key {key}", "dates, or start and end", f"start {split.start}, end {split.end}", "set both"
        )
    first, last = _date(split.start, f"{key}.start"), _date(split.end, f"{key}.end")
    if last < first:
        raise UserError(f"config key {key}.end", f"a date from {first} on", str(last), "swap start and end")
    return [(first + datetime.timedelta(days=i)).isoformat() for i in range((last - first).days + 1)]


def _all_snapshots(cams: Cams, split: str) -> list[Snapshot]:
    dates = split_dates(getattr(cams, split), f"cams.{split}")
    times = [parse(f"{date}T{hour:02d}:00:00Z") for date in dates for hour in sorted(cams.init_hours)]
    return [Snapshot(iso(time), iso(time - STEP)) for time in times]


@functools.cache
def snapshots(cams: Cams, split: str) -> tuple[Snapshot, ...]:
    """Snapshots of a split in time order, without those that touch a missing date."""
    missing = set(cams.missing_dates)
    return tuple(s for s in _all_snapshots(cams, split) if not {s.time[:10], s.previous[:10]} & missing)


@functools.cache
def day_snapshots(cams: Cams) -> dict[str, tuple[Snapshot, ...]]:
    """Snapshots of each date, in time order, over both splits; dates without one are left out."""
    days: dict[str, list[Snapshot]] = {}
    for snapshot in sorted((s for split in SPLITS for s in snapshots(cams, split)), key=lambda s: s.time):
        days.setdefault(snapshot.time[:10], []).append(snapshot)
    return {day: tuple(found) for day, found in days.items()}


@functools.cache
def state_times(cams: Cams, split: str) -> tuple[str, ...]:
    """States that a split's snapshots use, in time order, each once."""
    return tuple(sorted({time for s in snapshots(cams, split) for time in (s.previous, s.time)}))


@functools.cache
def day_hours(cams: Cams) -> dict[str, list[int]]:
    """Days that must be present, with the hours needed of each, over both splits."""
    days: dict[str, set[int]] = {}
    for split in SPLITS:
        for time in state_times(cams, split):
            days.setdefault(time[:10], set()).add(int(time[11:13]))
    return {day: sorted(hours) for day, hours in sorted(days.items())}


def split_days(cams: Cams, split: str) -> list[str]:
    """Days that a split's states lie on."""
    return sorted({time[:10] for time in state_times(cams, split)})


def split_of_day(cams: Cams, day: str) -> str:
    """The split that has snapshots on a date.

    Raises:
        UserError: neither has; the message names the configured dates.
    """
    for split in SPLITS:
        if any(snapshot.time[:10] == day for snapshot in snapshots(cams, split)):
            return split
    spans = [f"{split} {found[0].time[:10]} … {found[-1].time[:10]} ({len({s.time[:10] for s in found})} dates)"
             for split in SPLITS if (found := snapshots(cams, split))]
    raise UserError(
        f"date {day}", f"a date with a configured snapshot: {', '.join(spans)}", "none on that date",
        "take one of these, or add it to cams.held_out (cams.train would train the SAE on it)",
    )


def _check_distance(cams: Cams) -> None:
    held_out = [parse(time) for time in state_times(cams, "held_out")]
    for text in state_times(cams, "train"):
        state = parse(text)
        near = min(held_out, key=lambda h: abs(h - state))
        hours = abs(near - state).total_seconds() / 3600
        if hours == 0 or hours < cams.gap_hours:
            raise UserError(
                "config key cams.held_out",
                f"states at least {cams.gap_hours} h from every training state, and none in common",
                f"held-out state {iso(near)} {hours:.0f} h from training state {text}",
                "move cams.held_out or cams.train apart, or lower cams.gap_hours",
            )


def check_splits(cams: Cams) -> list[str]:
    """Refuse splits that share states or hold no snapshot; return warnings for the log.

    Raises:
        UserError: a split has no snapshot, or the splits are closer than `gap_hours`.
    """
    warnings = []
    for text in cams.missing_dates:
        _date(text, "cams.missing_dates")
    for split in SPLITS:
        kept, total = len(snapshots(cams, split)), len(_all_snapshots(cams, split))
        if kept < total:
            warnings.append(f"{total - kept} of {total} {split} snapshots touch a missing date and are dropped.")
        if not kept:
            raise UserError(
                f"config key cams.{split}", "at least one snapshot", f"none of {total}", "add dates to this split"
            )
    _check_distance(cams)
    n_held_out = len(snapshots(cams, "held_out"))
    if n_held_out < ENOUGH_HELD_OUT:
        warnings.append(
            f"Only {n_held_out} held-out snapshots (fewer than {ENOUGH_HELD_OUT}): the index will carry a flag."
        )
    return warnings
