"""The store of states: one zarr group a day, complete or absent, that xarray opens with labels.

Only one job ever writes a day, and it writes aside and renames, so no two writers meet in one chunk. The digest of a
state is over its content and not over the store's bytes, so that it does not depend on the compressor's version.
"""

import hashlib
import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from zarr.codecs import BloscCodec
from zarr.errors import ZarrUserWarning

from aurorascope.cams.variables import ATMOS, SURFACE
from aurorascope.errors import UserError
from aurorascope.files import disk_error, publish_folder

_ORDER = tuple(v.netcdf for v in SURFACE + ATMOS)


def state_digest(state: xr.Dataset) -> str:
    """Hex sha256 of one state's content: grid, levels, and every variable's values.

    Args:
        state: the 22 variables under their NetCDF names, dims ([level,] latitude, longitude), no time dimension.

    Returns:
        A digest that is the same on every host and for every order of the variables.
    """
    digest = hashlib.sha256()
    for axis, kind in (("latitude", "<f8"), ("longitude", "<f8"), ("level", "<i8")):
        values = np.asarray(state[axis].values, kind)
        digest.update(f"{axis} {values.size}\n".encode() + values.tobytes())
    for name in _ORDER:
        values = np.ascontiguousarray(state[name].values, "<f4")
        digest.update(f"{name} {values.shape}\n".encode() + values.tobytes())
    return digest.hexdigest()


def iso_time(time: np.datetime64) -> str:
    """`YYYY-MM-DDTHH:00:00Z` of a UTC time."""
    return f"{np.datetime64(time, 's')}Z"


def write_states(day: xr.Dataset, path: Path) -> dict[str, str]:
    """Write one day's states.

    Args:
        day: what `validate.read_day` returns, dims (time, [level,] latitude, longitude).
        path: the zarr group's final name, `<date>.zarr`; an older one is replaced.

    Returns:
        Digest of each state by its time, `YYYY-MM-DDTHH:00:00Z`.

    Raises:
        UserError: the disk is full or read-only; nothing is left under the final name.
    """
    path = Path(path)
    codec = BloscCodec(cname="zstd", clevel=3, shuffle="bitshuffle")
    encoding: dict[str, dict] = {
        name: {"chunks": (1, *day[name].shape[1:]), "compressors": [codec], "_FillValue": np.float32(np.nan)}
        for name in day.data_vars
    }
    encoding["time"] = {"units": "hours since 1970-01-01", "calendar": "proleptic_gregorian", "dtype": "int64"}
    work = path.with_name(f".{path.name}.work-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            # Without consolidated metadata, it is every reader who gets a warning, and waits for 26 small files.
            warnings.simplefilter("ignore", ZarrUserWarning)
            day.to_zarr(work, mode="w", zarr_format=3, encoding=encoding, consolidated=True)
        publish_folder(work, path)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return {iso_time(time): state_digest(day.isel(time=i)) for i, time in enumerate(day["time"].values)}


def _open_day(folder: Path, date: str, times: Sequence[str]) -> xr.Dataset:
    """The wanted states of one day, in memory."""
    path, record = folder / f"{date}.zarr", folder / f"{date}.json"
    fix = f"rm -f {record} && snakemake {record} --cores 1"
    if not path.is_dir():
        raise UserError(path, f"the states of {date}", "no such folder", fix)
    try:
        with xr.open_zarr(path, chunks=None, decode_timedelta=True) as store:
            have = {iso_time(time): i for i, time in enumerate(store["time"].values)}
            absent = [time for time in times if time not in have]
            if absent:
                raise UserError(path, f"the states {', '.join(absent)}", ", ".join(have) or "none", fix)
            # Indices rather than labels: a day may be asked for in any order.
            day = store[list(_ORDER)].isel(time=[have[time] for time in times]).load()
    except UserError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        found = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(path, "a readable zarr group of states", found, fix) from None
    for name in _ORDER:
        # zarr takes a lost chunk for its fill value, NaN, and says nothing.
        if not np.isfinite(day[name].values).all():
            raise UserError(f"{path}, {name}", "finite values", "NaN: a chunk is missing or damaged", fix)
    return day


def open_states(folder: Path | str, times: Sequence[str]) -> xr.Dataset:
    """States of any days as one labelled dataset, in memory.

    Args:
        folder: the folder of the day groups, `results/scratch/cams`.
        times: times of the states, `YYYY-MM-DDTHH:00:00Z`, in the order wanted.

    Returns:
        The 22 variables under their NetCDF names, float32, dims (time, [level,] latitude, longitude).

    Raises:
        UserError: a day or time is missing or damaged, or the days differ in grid or levels.
    """
    folder, by_day = Path(folder), {}
    for time in times:
        by_day.setdefault(time[:10], []).append(time)
    if not by_day:
        raise UserError(folder, "at least one time", "none", "ask for one")
    days = {date: _open_day(folder, date, wanted) for date, wanted in by_day.items()}
    first = next(iter(days))
    for date, day in days.items():
        for axis in ("level", "latitude", "longitude"):
            if not np.array_equal(day[axis].values, days[first][axis].values):
                record = folder / f"{date}.json"
                raise UserError(
                    folder, f"the same {axis} on all days", f"another on {date} than on {first}",
                    f"rm -f {record} && snakemake {record} --cores 1",
                )
    joined = xr.concat(list(days.values()), "time", join="exact", coords="minimal", compat="override")
    place = {iso_time(time): i for i, time in enumerate(joined["time"].values)}
    return joined.isel(time=[place[time] for time in times])


def load_state(folder: Path | str, time: str) -> xr.Dataset:
    """One state, in memory.

    Args:
        folder: the folder of the day groups.
        time: `YYYY-MM-DDTHH:00:00Z`.

    Returns:
        The 22 variables, float32, dims ([level,] latitude, longitude); `time` stays as a scalar coordinate.

    Raises:
        UserError: the day or time is missing or damaged.
    """
    return _open_day(Path(folder), time[:10], [time]).isel(time=0)
