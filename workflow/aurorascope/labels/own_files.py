"""Which of a user's files hold labels of a date; known by their names alone, so that planning opens none."""

from collections.abc import Mapping
from pathlib import Path

from aurorascope.config import Config
from aurorascope.config.paths import expanded
from aurorascope.errors import UserError
from aurorascope.files import sha256_file

KEY = "labels.own"


def own_folder(config: Config) -> Path | None:
    """The user's folder, `~` and variables expanded; None where there is none.

    Raises:
        UserError: a variable in it is not set.
    """
    return Path(expanded(config.labels.own, KEY)) if config.labels.own else None


def own_files(folder: Path, date: str) -> list[Path]:
    """Files of a date, `<date>.nc` and `<date>.<anything>.nc`, sorted; none where the folder is missing."""
    return sorted(path for path in folder.glob(f"{date}*.nc") if path.name[len(date)] == ".") if folder.is_dir() else []


def files_of(folder: Path, date: str) -> list[Path]:
    """As `own_files`, where there must be one.

    Raises:
        UserError: there is none.
    """
    paths = own_files(folder, date)
    if not paths:
        found = "no such file" if folder.is_dir() else "no such folder"
        raise UserError(folder, f"labels of {date} in {date}.nc or {date}.<name>.nc", found, "add the file, or set labels.own: null")
    return paths


def own_digests(folder: Path, date: str) -> Mapping[str, str]:
    """sha256 of each of a date's files by its name."""
    return {path.name: sha256_file(path) for path in own_files(folder, date)}
