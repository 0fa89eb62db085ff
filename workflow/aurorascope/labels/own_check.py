"""A user's files of labels, read while a run is planned: what is wrong with one is said before any job has taken a record away.

A job's outputs are deleted before it starts, so that a folder with a mistake would cost the labels of every date that is tried.
What was read is remembered by a file's size and times, and planning again opens nothing.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aurorascope.config import Config
from aurorascope.config.calendar import day_snapshots
from aurorascope.files import find_record, sha256_json, write_json
from aurorascope.labels.own_files import compared_ids, dates_to_compare
from aurorascope.records import KINDS


@dataclass(frozen=True)
class Axis:
    """An evenly spaced axis.

    Attributes:
        n: number of values.
        first: the first, degrees.
        last: the last, degrees.
    """

    n: int
    first: float
    last: float


Grid = tuple[Axis, Axis]


def grid_of_states(config: Config, results: Path) -> Grid | None:
    """Latitudes and longitudes of the states, as far as they are known before any is made; None where nothing says it."""
    if config.cams.source == "demo":
        rows, columns = config.cams.demo_grid
        return Axis(rows, 90.0, -90.0), Axis(columns, 0.0, 360 - 360 / columns)
    for date in day_snapshots(config.cams):
        record = find_record(KINDS["cams_day"].where(results, day=date), "cams_day")
        if record is not None:
            return Axis(**record["latitude"]), Axis(**record["longitude"])
    return None


class OwnCheck:
    """What is known of the files of a folder.

    Args:
        folder: the user's folder.
        times: ISO times of the snapshots of each date with labels, in UTC, by date, ascending.
        grid: of the states; None where it is not known, and left to the dates' jobs.
        memory: a JSON file of what was found, that may be deleted at any time.
    """

    def __init__(self, folder: Path, times: Mapping[str, Sequence[str]], grid: Grid | None, memory: Path) -> None:
        self._folder, self._times, self._grid, self._memory = folder, times, grid, memory
        self._known = _read_memory(memory)

    def check(self, dates: Sequence[str]) -> None:
        """Read the files of some dates, and those that they are compared with, as far as they are not remembered.

        Raises:
            UserError: as of `labels.own.read_own` and `labels.own.common_ids`, on whichever date.
        """
        before = dict(self._known)
        try:
            for date in dates:
                compared_ids(self._folder, dates_to_compare(date, list(self._times)), self._ids)
        finally:
            if self._known != before:
                write_json(self._memory, self._known)

    def _ids(self, path: Path) -> list[str]:
        times = self._times[path.name[:10]]
        found, asked = path.stat(), [[asdict(axis) for axis in self._grid or ()], list(times)]
        stamp = [found.st_size, found.st_mtime_ns, found.st_ctime_ns, sha256_json(asked)]
        name = os.path.abspath(path)
        known = self._known.get(name, {})
        if known.get("stamp") != stamp:
            known = self._known[name] = {"stamp": stamp, "ids": self._read(path, times)}
        return known["ids"]

    def _read(self, path: Path, times: Sequence[str]) -> list[str]:
        # Imported only where a file must be read: they cost a second.
        import numpy as np

        from aurorascope.labels.own import check_file

        lat, lon = [np.linspace(axis.first, axis.last, axis.n) for axis in self._grid] if self._grid else (None, None)
        return check_file(path, [np.datetime64(time.removesuffix("Z"), "ns") for time in times], lat, lon)


def _read_memory(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        # What is not remembered is read again.
        return {}
