"""Names, sizes and times of the files that `cams.directory` names; none is opened, since the Snakefile lists them, too."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from aurorascope.cams.suffixes import is_data, is_zip
from aurorascope.config.paths import expanded
from aurorascope.errors import UserError

_KEY = "cams.directory"


class Listed(NamedTuple):
    """One file.

    Attributes:
        name: its path from the folder that all files are in.
        path: where it is.
        size: bytes.
        ctime_ns: when it was last changed; unlike the time of modification, no copy keeps that of another file.
    """

    name: str
    path: Path
    size: int
    ctime_ns: int


def list_files(directory: str | Sequence[str]) -> list[Listed]:
    """The NetCDF and GRIB files and the zips in a folder, or of a list of glob patterns, by name.

    Args:
        directory: `cams.directory`: a folder, whose folders are looked into, too, or patterns of files or folders.

    Raises:
        UserError: there is no such folder, or a pattern matches nothing.
    """
    if isinstance(directory, str):
        folder = Path(expanded(directory, _KEY))
        if not folder.is_dir():
            raise UserError(folder, "the folder of CAMS days", "no such folder", f"correct {_KEY} in your config")
        return sorted(_entries(folder, folder))
    matches = []
    for pattern in directory:
        found = glob.glob(expanded(pattern, _KEY), recursive=True)
        if not found:
            raise UserError(pattern, "files of CAMS days", "nothing of that name", f"correct {_KEY} in your config")
        matches += [os.path.abspath(path) for path in found]
    base = Path(os.path.commonpath([os.path.dirname(path) for path in matches]))
    entries = {entry.path: entry for path in matches for entry in _entries(Path(path), base)}
    return sorted(entries.values())


def _entries(path: Path, base: Path, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[Listed]:
    if path.is_dir():
        status = path.stat()
        here = (status.st_dev, status.st_ino)
        if here in above:
            # A link to a folder that it lies in.
            return
        with os.scandir(path) as entries:
            for entry in entries:
                if not entry.name.startswith("."):
                    yield from _entries(Path(entry.path), base, above | {here})
    elif (is_data(path.name) or is_zip(path.name)) and path.exists():
        # A link to nowhere is no file.
        status = path.stat()
        yield Listed(str(path.relative_to(base)), path, status.st_size, status.st_ctime_ns)
