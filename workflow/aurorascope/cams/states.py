"""The store of states: one zarr group a day, complete or absent, that xarray opens with labels.

Only one job ever writes a day, and it writes aside and renames, so no two writers meet in one chunk. The digest of a
state is over its content and not over the store's bytes, so that it does not depend on the compressor's version.
"""

import hashlib
import os
import shutil
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from zarr.errors import ZarrUserWarning

from aurorascope.cams.chunk import CODECS
from aurorascope.cams.day_group import AXES, NAMES, TIME_UNITS, iso_time, open_group, read_states, rebuild
from aurorascope.errors import UserError
from aurorascope.files import disk_errors, publish_folder


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
    for name in NAMES:
        values = np.ascontiguousarray(state[name].values, "<f4")
        digest.update(f"{name} {values.shape}\n".encode() + values.tobytes())
    return digest.hexdigest()


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
    encoding: dict[str, dict] = {
        name: {"chunks": (1, *day[name].shape[1:]), "compressors": CODECS, "_FillValue": np.float32(np.nan)}
        for name in day.data_vars
    }
    encoding |= {axis: {"compressors": CODECS[-1:]} for axis in ("time", *AXES)}
    encoding["time"] |= {"units": TIME_UNITS, "calendar": "proleptic_gregorian", "dtype": "int64"}
    work = path.with_name(f".{path.name}.work-{os.getpid()}")
    try:
        with disk_errors(path, every=True), warnings.catch_warnings():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without consolidated metadata, it is every reader who gets a warning, and waits for 26 small files.
            warnings.simplefilter("ignore", ZarrUserWarning)
            day.to_zarr(work, mode="w", zarr_format=3, encoding=encoding, consolidated=True)
            publish_folder(work, path)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return {iso_time(time): state_digest(day.isel(time=i)) for i, time in enumerate(day["time"].values)}


def verify_states(path: Path, digests: Mapping[str, str]) -> None:
    """Read the finished day in the zarr group `path` back and compare it with the digests that `write_states` returned.

    Raises:
        UserError: the group is damaged, or holds other states or other values.
    """
    path = Path(path)
    group = open_group(path)
    if set(group.places) != set(digests):
        raise UserError(path, f"the states {_listed(digests)}", _listed(group.places), rebuild(path))
    for time, expected in digests.items():
        found = state_digest(read_states([(group, time)]).isel(time=0))
        if found != expected:
            raise UserError(f"{path}, {time}", f"sha256 {expected}", f"sha256 {found}", rebuild(path))


def _listed(times: Iterable[str]) -> str:
    return ", ".join(sorted(times)) or "none"


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
    folder = Path(folder)
    if not times:
        raise UserError(folder, "at least one time", "none", "ask for one")
    # A day once, in the order of first mention.
    days = {date: open_group(folder / f"{date}.zarr") for date in dict.fromkeys(time[:10] for time in times)}
    first = next(iter(days))
    for date, day in days.items():
        for axis in AXES:
            if not np.array_equal(day.axes[axis].values, days[first].axes[axis].values):
                found = f"another on {date} than on {first}"
                raise UserError(folder, f"the same {axis} on all days", found, rebuild(day.path))
    return read_states([(days[time[:10]], time) for time in times])


def load_state(folder: Path | str, time: str) -> xr.Dataset:
    """As `open_states`, one state: dims ([level,] latitude, longitude); `time` stays as a scalar coordinate."""
    return open_states(folder, [time]).isel(time=0)
