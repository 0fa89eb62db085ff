"""One day's zarr group of states, read without xarray and labelled afterwards.

xarray's way to the values copies each of them several times over, and every forward of Aurora waits for two states.
"""

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
import zarr

from aurorascope.cams.chunk import read_chunk
from aurorascope.cams.variables import ATMOS, SURFACE
from aurorascope.errors import UserError, make_or_take, nearest, remake

NAMES = tuple(v.netcdf for v in SURFACE + ATMOS)
AXES = ("level", "latitude", "longitude")
TIME_UNITS = "hours since 1970-01-01"
# Reading, decoding and checking overlap; more readers than this only raise the memory.
_READERS = 4


@dataclass(frozen=True)
class DayGroup:
    """A day's group with its labels read and its fields not.

    Attributes:
        path: the group, `<date>.zarr`.
        fields: the zarr array of each variable, dims (time, [level,] latitude, longitude).
        axes: level, latitude and longitude with their attributes.
        places: index along time of each state, by `YYYY-MM-DDTHH:00:00Z`.
    """

    path: Path
    fields: dict[str, zarr.Array]
    axes: dict[str, xr.Variable]
    places: dict[str, int]


def iso_time(time: np.datetime64) -> str:
    """`YYYY-MM-DDTHH:00:00Z` of a UTC time."""
    return f"{np.datetime64(time, 's')}Z"


def rebuild(path: Path) -> str:
    """The command that makes a day's group again."""
    return remake(path.with_suffix(".json"))


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    # What zarr and its codecs raise on spoilt metadata or chunks is anything.
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
        found = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(path, "a readable zarr group of states", found, rebuild(path)) from None


def open_group(path: Path) -> DayGroup:
    """Open a day's group and check its labels and forms.

    Raises:
        UserError: it is missing or damaged.
    """
    if not path.is_dir():
        record = path.with_suffix(".json")
        # Of a date that has no record either, nothing is damaged.
        fix = rebuild(path) if record.exists() else make_or_take(record)
        raise UserError(path, f"the states of {path.stem}", "no such folder", fix)
    with _readable(path):
        group = zarr.open_group(path, mode="r")
        arrays = {name: _array(group, name) for name in ("time", *AXES, *NAMES)}
        axes = {axis: xr.Variable(axis, arrays[axis][:], _attributes(arrays[axis])) for axis in AXES}
        # zarr takes a lost chunk for its fill value and says nothing; no axis of a state is all zero or NaN.
        for axis, sign in (("level", 1), ("latitude", -1), ("longitude", 1)):
            values = axes[axis].values
            if not (np.isfinite(values).all() and np.all(sign * np.diff(values) > 0)):
                raise ValueError(f"{axis} {values[:4].tolist()}")
        if axes["level"].values[0] <= 0:
            raise ValueError(f"level {axes['level'].values[0]}")
        if arrays["time"].attrs["units"] != TIME_UNITS:
            raise ValueError(f"time in {arrays['time'].attrs['units']}")
        times = np.datetime64(0, "h") + arrays["time"][:].astype("timedelta64[h]")
        fields = {name: arrays[name] for name in NAMES}
        for name, field in fields.items():
            _check_form(name, field, len(times), axes)
    return DayGroup(path, fields, axes, {iso_time(time): i for i, time in enumerate(times)})


def _array(group: zarr.Group, name: str) -> zarr.Array:
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise ValueError(f"{name} is no array")
    return array


def _attributes(array: zarr.Array) -> dict[str, object]:
    return {key: value for key, value in array.attrs.items() if key != "_FillValue"}


def _check_form(name: str, field: zarr.Array, n_times: int, axes: dict[str, xr.Variable]) -> None:
    shape = (n_times, *(len(axes[axis]) for axis in AXES))
    expected = shape if len(field.shape) == 4 else (shape[0], *shape[2:])
    if field.shape != expected or field.dtype != np.float32:
        raise ValueError(f"{name} is {field.dtype} {field.shape}, expected float32 {expected}")


def read_states(wanted: Sequence[tuple[DayGroup, str]]) -> xr.Dataset:
    """Read states of days with the same axes.

    Args:
        wanted: group and time of each state.

    Returns:
        The 22 variables, float32, in memory, dims (time, [level,] latitude, longitude), in the order wanted.

    Raises:
        UserError: a time is not in its group, or a chunk is missing or damaged.
    """
    for group, time in wanted:
        if time not in group.places:
            raise UserError(group.path, f"the state {time}", ", ".join(group.places) or "none", f"{nearest(time, group.places)}, or, if the run has that time, {rebuild(group.path)}")
    first = wanted[0][0]
    values = {name: np.empty((len(wanted), *first.fields[name].shape[1:]), np.float32) for name in NAMES}

    def read(job: tuple[str, int]) -> None:
        name, index = job
        group, time = wanted[index]
        _read_finite(group, name, group.places[time], values[name][index])

    with ThreadPoolExecutor(_READERS) as pool:
        # Large fields first, lest one of them be left for the end, when the other readers have nothing to do.
        for _ in pool.map(read, [(name, index) for name in NAMES[::-1] for index in range(len(wanted))]):
            pass
    coords = {"time": ("time", np.array([time[:-1] for _, time in wanted], "datetime64[ns]")), **first.axes}
    fields = {
        name: (("time", *AXES[4 - values[name].ndim :]), values[name], _attributes(first.fields[name]))
        for name in NAMES
    }
    return xr.Dataset(fields, coords)


def _read_finite(group: DayGroup, name: str, place: int, out: np.ndarray) -> None:
    with _readable(group.path):
        read_chunk(group.fields[name], group.path / name, place, out)
    if not np.isfinite(out).all():
        found = "NaN: a chunk is missing or damaged"
        raise UserError(f"{group.path}, {name}", "finite values", found, rebuild(group.path))
