"""Looking once into each new or changed file of the user's: its digest, dates and what is wrong with it."""

import contextlib
import logging
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aurorascope.cams.local.index import index_path, is_current, load_index, note_path
from aurorascope.cams.local.listing import Listed
from aurorascope.cams.source import MOST_LOCAL, open_files
from aurorascope.cams.validate import look_into
from aurorascope.errors import DiskError, TryAgainError, UserError
from aurorascope.files import find_record, sha256_file, write_json
from aurorascope.locks import folder_lock

_LOG = logging.getLogger(__name__)
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_.]?(0[1-9]|1[0-2])[-_.]?(0[1-9]|[12]\d|3[01])(?!\d)")
_PATIENCE_S = 3600
_KEEP_S = 5


def dates_in(name: str) -> list[str]:
    """Dates in a file's name, `YYYY-MM-DD`."""
    return sorted({"-".join(match) for match in _DATE.findall(name)})


def refresh(files: Sequence[Listed], folder: Path, work: Path) -> dict[str, Any]:
    """Bring the notes in a folder up to date, and the index (`index.load_index`), which is returned.

    Files that are known as they are stay unopened; zips are unpacked in `work`.
    """
    index = load_index(folder)
    if all(is_current(file, index) for file in files):
        return index
    with _patient_lock(folder):
        index = load_index(folder)
        kept = time.monotonic()
        try:
            for file in files:
                if not is_current(file, index):
                    index[file.name] = _look(file, folder, work)
                    # Kept now and then, so that a killed job does not begin anew.
                    if time.monotonic() - kept > _KEEP_S:
                        _write_index(folder, index)
                        kept = time.monotonic()
        finally:
            _write_index(folder, index)
            with contextlib.suppress(OSError):
                work.rmdir()
    return index


def _write_index(folder: Path, index: dict[str, Any]) -> None:
    write_json(index_path(folder), {"kind": "local_index", "format": 1, "files": index})


@contextlib.contextmanager
def _patient_lock(folder: Path) -> Iterator[None]:
    """The folder's lock, once whoever has it is done: days that start together all find the same file changed."""
    end = time.monotonic() + _PATIENCE_S
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(folder_lock(folder))
                break
            except TryAgainError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.5)
        yield


def _look(file: Listed, folder: Path, work: Path) -> dict[str, Any]:
    note, path = _note(file, work), note_path(folder, file.name)
    if find_record(path, "local_file") != note:
        write_json(path, note)
    _LOG.info("%s: %s", file.name, note["problem"] or f"analyses of {len(note['dates'])} dates")
    entry = {"size": file.size, "ctime_ns": file.ctime_ns, "note": path.name, "sha256": note["sha256"]}
    return entry | {key: note[key] for key in ("dates", "forecasts", "problem")}


def _note(file: Listed, work: Path) -> dict[str, Any]:
    dates: set[str] = set()
    forecasts: set[str] = set()
    problem = None
    try:
        work.mkdir(parents=True, exist_ok=True)
        with open_files([file.path], file.name, work, fix="", most=MOST_LOCAL) as parts, contextlib.ExitStack() as stack:
            found = look_into(parts, stack)
            if found.broken and not found.pieces:
                raise found.broken[0]
            times = {time for piece in found.pieces for time in piece.times}
            for _, at, error in found.problems:
                problem = problem or f"{error.where}: {error.found}"
                times |= at
            dates = {_day(time) for time in times}
            forecasts = {_day(time) for _, time, _ in found.forecasts}
    except DiskError:
        raise
    except UserError as error:
        problem = f"expected {error.expected}, found {error.found}"
    if problem:
        # The day then says what is wrong with it.
        dates |= set(dates_in(file.name))
    return {
        "kind": "local_file", "format": 1, "name": file.name, "size": file.size, "sha256": sha256_file(file.path),
        "dates": sorted(dates), "forecasts": sorted(forecasts - dates), "problem": problem,
    }


def _day(time: np.datetime64) -> str:
    return str(time)[:10]
