"""Which of the user's files hold which dates: one note a file, of its content alone, and an index of them all.

A note (`results/scratch/cams/local/<name>.json`) changes only when its file's content does, so it is what a day depends on.
The index, which no rule declares, says for which size and time of change each note was written.
"""

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aurorascope.cams.local.listing import Listed
from aurorascope.files import sha256_bytes, sha256_json


def note_path(folder: Path, name: str) -> Path:
    """Where the note of a file lies."""
    plain = "".join(letter if (letter.isascii() and letter.isalnum()) or letter in "-_." else "-" for letter in name)[-80:].lstrip("-.")
    digest = sha256_bytes(name.encode(errors="surrogateescape"))
    return folder / f"{plain}.{digest[:12]}.json"


def listing_digest(files: Iterable[Listed]) -> str:
    """Digest of names, sizes and times: another one means that there is something to look at."""
    return sha256_json([[file.name, file.size, file.ctime_ns] for file in files])


def load_index(folder: Path) -> dict[str, Any]:
    """What is known of each file, by name; nothing where there is no index or it is damaged, which then is made anew."""
    path = index_path(folder)
    try:
        status = path.stat()
        # Asked for once for each of a year's days; a file that replaces it has another inode, if perhaps the same time.
        return dict(_parsed(path, (status.st_ino, status.st_mtime_ns, status.st_size)))
    except (OSError, ValueError, KeyError, TypeError):
        return {}


@functools.lru_cache(maxsize=1)
def _parsed(path: Path, version: tuple[int, int, int]) -> dict[str, Any]:
    return json.loads(path.read_text())["files"]


def index_path(folder: Path) -> Path:
    """Where the index lies."""
    return folder / "index.json"


def is_current(file: Listed, index: Mapping[str, Any]) -> bool:
    """Whether the index speaks of a file as it is now."""
    known = index.get(file.name)
    return known is not None and (known["size"], known["ctime_ns"]) == (file.size, file.ctime_ns)


def changed(files: Iterable[Listed], index: Mapping[str, Any]) -> list[str]:
    """Files that are known and have another size or time of change now."""
    return [file.name for file in files if file.name in index and not is_current(file, index)]


def unknown(files: Iterable[Listed], index: Mapping[str, Any]) -> list[str]:
    """Files that nobody has looked into."""
    return [file.name for file in files if file.name not in index]


def notes_of(date: str, files: Iterable[Listed], folder: Path) -> list[Path]:
    """Notes of the files that hold a date; where none is there any more, of those that it was read from, since a made day may do
    without.
    """
    there = {file.name for file in files}
    names = [name for name, known in load_index(folder).items() if date in known["dates"] and name in there]
    return [note_path(folder, name) for name in sorted(names or _read_from(date, folder))]


def _read_from(date: str, folder: Path) -> list[str]:
    try:
        return [file["name"] for file in json.loads((folder.parent / f"{date}.source.json").read_text())["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def files_of(date: str, files: Sequence[Listed], index: Mapping[str, Any]) -> list[Listed]:
    """The known files that hold analyses of a date, or, where they could not be read, have it in their names."""
    return [file for file in files if file.name in index and date in index[file.name]["dates"]]
