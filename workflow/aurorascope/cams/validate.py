"""From the files of one day to one labelled dataset, or to an error that says what is wrong with them.

Aurora accepts a missing variable, a NaN or another grid without a word and answers with other activations, so all is
checked here, before any of it reaches Aurora. Nothing in a downloaded file is trusted, its member names included.
"""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import xarray as xr

from aurorascope.cams.grid import check_grid
from aurorascope.cams.plausible import check_values
from aurorascope.cams.reader.gather import gather
from aurorascope.cams.reader.grib import read_grib
from aurorascope.cams.reader.netcdf import read_netcdf
from aurorascope.cams.reader.pieces import Found
from aurorascope.cams.source import FETCH, MOST_DAY, File, open_files
from aurorascope.cams.suffixes import is_netcdf
from aurorascope.errors import UserError

_LOG = logging.getLogger(__name__)


class Day(NamedTuple):
    """One day as it was read.

    Attributes:
        states: the 22 variables under their NetCDF names, float32, in memory, in the table's units, dims (time, [level,]
            latitude, longitude); `time` naive UTC datetime64[ns], `level` ascending int hPa.
        said: what was converted or turned around.
        doubts: what was taken to be so, or left out, and a user should know of.
        unusual: fields that reach unusual values or are the same everywhere.
    """

    states: xr.Dataset
    said: list[str]
    doubts: list[str]
    unusual: list[str]


def read_day(
    sources: Path | str | Sequence[Path],
    date: str,
    hours: Sequence[int],
    levels: Sequence[int],
    where: object = None,
    work: Path | None = None,
    fix: str = FETCH,
    most: int = MOST_DAY,
) -> Day:
    """Read and check one day.

    Args:
        sources: what holds the day: zips, NetCDF or GRIB files, or folders of such files, one or several.
        date: `YYYY-MM-DD`, UTC.
        hours: hours of the states wanted, UTC; others in the files are dropped.
        levels: levels wanted, hPa; others are dropped.
        where: what messages call the source; its path if None.
        work: folder in which a zip is unpacked for as long as it is read; the system's if None.
        fix: what messages advise.
        most: bytes that a zip may unpack to.

    Returns:
        The day and what is to be said of it.

    Raises:
        UserError: a source is missing, broken or hostile, or there is no such analysis, whole and once, on a grid that
            Aurora takes, in units that convert, of possible values.
        DiskError: the folder to unpack in is full or not there.
    """
    sources = [Path(sources)] if isinstance(sources, (str, Path)) else list(sources)
    place = where if where is not None else ", ".join(map(str, sources[:4])) + ", …" * (len(sources) > 4)
    midnight = np.datetime64(date, "ns")
    times = [midnight + np.timedelta64(hour, "h") for hour in sorted(set(hours))]
    with open_files(sources, where, work, fix, most) as files, contextlib.ExitStack() as stack:
        states, said, doubts = gather(look_into(files, stack), times, sorted(set(levels)), place, fix)
    check_grid(states["latitude"].values, states["longitude"].values, place)
    unusual = check_values(states, place, fix)
    for line in [*said, *doubts, *unusual]:
        _LOG.info("%s: %s.", place, line)
    return Day(states, said, doubts, unusual)


def _is_netcdf(path: Path) -> bool:
    """By content: a download may be called anything."""
    with open(path, "rb") as file:
        head = file.read(8)
    return not head.startswith(b"GRIB") and (head[:4] in (b"\x89HDF", b"CDF\x01", b"CDF\x02", b"CDF\x05") or is_netcdf(path.name))


def look_into(files: Sequence[File], stack: contextlib.ExitStack) -> Found:
    """What some files hold; NetCDF files stay open until the stack is closed."""
    found = Found()
    for file in files:
        try:
            if _is_netcdf(file.path):
                read_netcdf(file.path, file.name, stack, found)
            else:
                read_grib(file.path, file.name, found)
        except UserError as error:
            found.broken.append(error)
    return found
