"""Which of a user's files hold labels of a date; known by their names alone, so that planning opens none."""

from collections.abc import Callable, Mapping, Sequence
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


def dates_to_compare(date: str, dates: Sequence[str]) -> list[str]:
    """Of all dates with labels, those that must have the same ones before one date's are made: it and the first, which is compared
    with all. So whichever files change, some date's job compares them with those that do not.
    """
    return list(dates) if date == dates[0] else [dates[0], date]


def compared_ids(folder: Path, dates: Sequence[str], ids_of: Callable[[Path], Sequence[str]]) -> list[str]:
    """Ids of a user's labels, sorted, once every date has the same.

    Args:
        folder: the user's folder.
        dates: `YYYY-MM-DD`, dates to compare.
        ids_of: ids of a file's labels.

    Raises:
        UserError: a date without a file, a label that is there twice, dates with other labels than the first, or as of `ids_of`.
    """
    first, wanted = "", set()
    for date in dates:
        ids: dict[str, Path] = {}
        for path in files_of(folder, date):
            for name in ids_of(path):
                if name in ids:
                    raise twice(path, name)
                ids[name] = path
        if not first:
            first, wanted = date, set(ids)
        if set(ids) != wanted:
            where = folder / f"{date}.nc" if wanted - set(ids) else ids[min(set(ids) - wanted)]
            fix = "write each label on every date, 0 everywhere where it is not on, or take it out of all"
            raise UserError(where, f"the labels of {first}: {', '.join(sorted(wanted))}", ", ".join(sorted(ids)), fix)
    return sorted(wanted)


def twice(path: Path, name: str) -> UserError:
    """The error of a label that two files of a date have."""
    return UserError(f"{path}, {name}", "each label in one file a date", "it in two", "take one of them out")


def own_digests(folder: Path, date: str) -> Mapping[str, str]:
    """sha256 of each of a date's files by its name."""
    return {path.name: sha256_file(path) for path in own_files(folder, date)}
