"""Dates that files ask for, against those that are configured, and which dates are quiet. Nothing heavy is imported here."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from aurorascope.config.calendar import SPLITS, snapshots, split_of_day
from aurorascope.config.model import Cams
from aurorascope.errors import UserError, nearest
from aurorascope.studies.written import AskedFile

MOST_QUIET, QUIET_DAYS = 16, 5
"""Quiet dates that are chosen at most, and days from any date of what is asked within which none is."""


@dataclass(frozen=True)
class Dated:
    """Snapshots that are read.

    Attributes:
        dates: that are asked for, ascending.
        hour: of their snapshots, UTC.
        quiet_dates: that say what features, or variables, usually are, ascending; empty where nobody asks.
        has_labels: whether labels of the dates are read.
    """

    dates: tuple[str, ...]
    hour: int
    quiet_dates: tuple[str, ...]
    has_labels: bool

    def time(self, date: str) -> str:
        """Time of a date's snapshot, `YYYY-MM-DDTHH:00:00Z`."""
        return f"{date}T{self.hour:02d}:00:00Z"


def hour_of(subject: str, file: AskedFile, cams: Cams) -> int:
    """Hour of the snapshots, UTC: the file's, or else the latest that is configured.

    Args:
        subject: what errors begin with, `the study`.
        file: the file.
        cams: configured dates and hours.

    Raises:
        UserError: the file's is not configured.
    """
    if file.hour is None:
        return max(cams.init_hours)
    if file.hour not in cams.init_hours:
        hours = ", ".join(map(str, sorted(cams.init_hours)))
        expected = f"one of cams.init_hours, {hours}"
        raise UserError(f"{subject}, hour", expected, str(file.hour), nearest(file.hour, sorted(cams.init_hours)))
    return file.hour


def check_configured(where: str, date: str, hour: int, cams: Cams) -> None:
    """Refuse a date without states.

    Raises:
        UserError: it is of neither split, or has no snapshot at that hour.
    """
    try:
        split = split_of_day(cams, date)
    except UserError as error:
        raise UserError(f"{where}, {date}", error.expected, error.found, error.fix) from None
    if f"{date}T{hour:02d}:00:00Z" not in _times(cams, split):
        raise UserError(f"{where}, {date}", f"a date with a snapshot at {hour} UTC", "none", "take another date or hour")


def quiet_of(subject: str, file: AskedFile, dates: Sequence[str], hour: int, cams: Cams) -> tuple[str, ...]:
    """The file's quiet dates, or else chosen ones, ascending.

    Args:
        subject: what errors begin with, `the study`.
        file: the file.
        dates: that it asks for.
        hour: of their snapshots.
        cams: configured dates.

    Raises:
        UserError: no configured date is quiet, or one of the file's has no states or is asked for, too.
    """
    where = f"{subject}, quiet_dates"
    if file.quiet_dates is None:
        found = quiet_dates(dates, [_dates_at(hour, cams, split) for split in reversed(SPLITS)])
        if not found:
            raise UserError(
                where, f"dates more than {QUIET_DAYS} days from those of {subject}, which say what is usual", "no configured one",
                "name some, or configure more dates",
            )
        return found
    for date in file.quiet_dates:
        check_configured(where, date, hour, cams)
        if date in dates:
            raise UserError(where, f"dates that are none of {subject}'s", date, "leave it out of one")
    return file.quiet_dates


def quiet_dates(dates: Sequence[str], preferred: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Dates that are far from all that are asked for, spread evenly over those of the first list, then of the next.

    Args:
        dates: that are asked for.
        preferred: lists of dates, each ascending: held-out ones, then those of training.

    Returns:
        At most `MOST_QUIET`, ascending.
    """
    days = [datetime.date.fromisoformat(each) for each in dates]
    found: list[str] = []
    for each in preferred:
        far = [date for date in each if all(abs((datetime.date.fromisoformat(date) - day).days) > QUIET_DAYS for day in days)]
        n = min(len(far), MOST_QUIET - len(found))
        # The middle of each of n equal parts.
        found += [far[(2 * at + 1) * len(far) // (2 * n)] for at in range(n)]
    return tuple(sorted(found))


def _times(cams: Cams, split: str) -> set[str]:
    return {each.time for each in snapshots(cams, split)}


def _dates_at(hour: int, cams: Cams, split: str) -> list[str]:
    return sorted(time[:10] for time in _times(cams, split) if int(time[11:13]) == hour)
