"""One day out of the user's files."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aurorascope.cams.local.index import files_of
from aurorascope.cams.local.listing import Listed, list_files
from aurorascope.cams.local.notes import dates_in, refresh
from aurorascope.cams.source import MOST_LOCAL
from aurorascope.cams.validate import Day, read_day
from aurorascope.config.model import Cams
from aurorascope.errors import DiskError, UserError
from aurorascope.files import write_json
from aurorascope.notices import shortened

_CORRECT = "correct that file where it lies, or let cams.directory name others"


def read_local(date: str, hours: Sequence[int], cams: Cams, folder: Path, work: Path) -> tuple[Day, list[dict[str, Any]]]:
    """Find and read one day.

    Args:
        date: `YYYY-MM-DD`, UTC.
        hours: hours of the states, UTC.
        cams: the configuration's section.
        folder: folder of the notes.
        work: folder in which zips are unpacked.

    Returns:
        The day, and name, size and sha256 of each file that it was read from.

    Raises:
        UserError: no file holds the date, or what they hold is not what Aurora needs.
    """
    files = list_files(cams.directory or "")
    index = refresh(files, folder, work)
    own = files_of(date, files, index)
    if not own:
        raise UserError(
            cams.directory, f"a file with analyses of {date}", _what_there_is(date, files, index),
            "put that day there, or list it in cams.missing_dates",
        )

    def read(files: Sequence[Listed]) -> Day:
        return read_day([f.path for f in files], date, hours, cams.levels, work=work, fix=_CORRECT, most=MOST_LOCAL)

    used = [file for file in own if index[file.name]["problem"] is None] or own
    try:
        day = read(used)
    except DiskError:
        raise
    except UserError as error:
        if used == own:
            # Files that nobody can read, and whose dates are therefore unknown, may hold what is missing.
            raise UserError(error.where, error.expected, error.found + _unread(files, index), error.fix) from error
        # What is missing may be in the others, whose own error then says what is wrong.
        used, day = own, read(own)
    unread = [f"{file.name} cannot be read, and nothing is missing without it" for file in own if file not in used]
    day = day._replace(doubts=[*day.doubts, *unread])
    return day, [{"name": file.name, "size": file.size, "sha256": index[file.name]["sha256"]} for file in used]


def write_sources(date: str, folder: Path, sources: list[dict[str, Any]]) -> None:
    """Write beside a day's record what it was read from: `verify` compares it with the files."""
    write_json(folder / f"{date}.source.json", {"kind": "day_source", "format": 1, "date": date, "files": sources})


def _unread(files: Sequence[Listed], index: Mapping[str, Any]) -> str:
    broken = [f"{file.name} ({index[file.name]['problem']})" for file in files if index[file.name]["problem"]]
    return f"; not to be read: {_few(broken)}" if broken else ""


def _what_there_is(date: str, files: Sequence[Listed], index: Mapping[str, Any]) -> str:
    named = [file.name for file in files if date in dates_in(file.name)]
    forecasts = [file.name for file in files if date in index[file.name]["forecasts"]]
    if forecasts:
        return f"forecasts only, which are no analyses, in {_few(forecasts)}"
    if named:
        held = {name: ", ".join(index[name]["dates"][:3]) or "no analysis" for name in named}
        return f"that date in the name alone: {_few([f'{name} holds {what}' for name, what in held.items()])}"
    days = {day for file in files for day in index[file.name]["dates"]}
    near = sorted(days, key=lambda day: (abs(_number(day) - _number(date)), day))[:3]
    nearest = f"nearest: {', '.join(near)}" if near else "nor any other day"
    return f"none in {len(files)} files ({nearest}){_unread(files, index)}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(shortened(names, "files"))


def _number(day: str) -> int:
    return datetime.date.fromisoformat(day).toordinal()
