"""A day among the user's own files, which are never changed."""

import datetime
import re
from pathlib import Path

from aurorascope.errors import UserError


def find_local(date: str, directory: Path) -> Path:
    """The user's zip or folder of one day.

    Args:
        date: `YYYY-MM-DD`, UTC.
        directory: the folder of `<date>.zip`, or of folders `<date>/` with the extracted pair.

    Raises:
        UserError: there is neither; the message names the nearest days that are there.
    """
    for path in (directory / f"{date}.zip", directory / date):
        if path.exists():
            return path
    if not directory.is_dir():
        raise UserError(directory, "the folder of CAMS days", "no such folder", "correct cams.directory in your config")
    pattern = re.compile(r"\d{4}-\d{2}-\d{2}(\.zip)?")
    days = {path.name[:10] for path in directory.iterdir() if pattern.fullmatch(path.name)}
    near = sorted(days, key=lambda day: (abs(_number(day) - _number(date)), day))[:3]
    found = f"neither (nearest: {', '.join(near)})" if near else "neither, nor any other day"
    raise UserError(
        directory, f"{date}.zip or a folder {date}", found, "put that day there, or list it in cams.missing_dates"
    )


def _number(day: str) -> int:
    try:
        return datetime.date.fromisoformat(day).toordinal()
    except ValueError:
        return 0
