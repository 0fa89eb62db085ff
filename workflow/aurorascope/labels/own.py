"""Labels that users bring: NetCDF files in the format of the demo's `<date>.truth.nc`.

A folder holds one or more files a date, named `<date>.nc` or `<date>.<anything>.nc`. Each variable `<id>` on time, latitude and
longitude is 1 where the label is on and 0 elsewhere. `<id>_strength`, a field of any unit, and `<id>_object`, whole numbers from 1
within the mask and 0 outside, may stand beside it; without them the field is NaN, and objects are connected cells.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from aurorascope.cams.day_group import iso_time
from aurorascope.errors import UserError
from aurorascope.files import sha256_file
from aurorascope.labels.all import LABELS, label_dataset
from aurorascope.labels.own_files import compared_ids, files_of, twice
from aurorascope.sphere import connected

_ID = re.compile(r"[a-z][a-z0-9_]*")
_DIMS = ("time", "latitude", "longitude")
_STRENGTH, _OBJECT = "_strength", "_object"
# Degrees by which an axis in float32 may differ from ours.
_TOLERANCE = 1e-4
_MOST = np.iinfo(np.uint16).max


@dataclass(frozen=True, eq=False)
class OwnDay:
    """A user's labels of one date.

    Attributes:
        datasets: labels of each time, as `label_state` gives them.
        digests: sha256 of each file by its name.
    """

    datasets: list[xr.Dataset]
    digests: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class _Label:
    mask_tyx: np.ndarray
    object_tyx: np.ndarray
    field_tyx: np.ndarray


def read_own(folder: Path | str, date: str, times: Sequence[np.datetime64], lat: np.ndarray, lon: np.ndarray) -> OwnDay:
    """A user's labels of some times of a date.

    Args:
        folder: the user's folder.
        date: `YYYY-MM-DD`.
        times: times that labels are needed of, UTC.
        lat: degrees north of the states, (rows,).
        lon: degrees east of the states, (columns,).

    Raises:
        UserError: no file of this date, one that is no NetCDF or lies on another grid, a time that it lacks, an id that is
            malformed, taken or there twice, or values that a mask, object or field cannot have.
    """
    paths = files_of(Path(folder), date)
    found: dict[str, _Label] = {}
    for path in paths:
        for name, label in _read(path, times, np.asarray(lat), np.asarray(lon)):
            if name in found:
                raise twice(path, name)
            found[name] = label
    datasets = [
        label_dataset(
            list(found), time, np.asarray(lat), np.asarray(lon), np.stack([label.mask_tyx[place] for label in found.values()]),
            np.stack([label.object_tyx[place] for label in found.values()]),
            np.stack([label.field_tyx[place] for label in found.values()]),
        )
        for place, time in enumerate(times)
    ]
    return OwnDay(datasets, {path.name: sha256_file(path) for path in paths})


def common_ids(folder: Path | str, dates: Sequence[str]) -> list[str]:
    """Ids of a user's labels, sorted, once every date has the same; only the files' heads are read.

    Args:
        folder: the user's folder.
        dates: `YYYY-MM-DD`, dates to compare.

    Raises:
        UserError: a date without a file, a file that is no NetCDF, an id that is malformed, taken or there twice, or dates with
            other labels than the first.
    """
    return compared_ids(Path(folder), dates, lambda path: _ids(path, _open(path, whole=False)))


def check_file(path: Path, times: Sequence[np.datetime64], lat: np.ndarray | None, lon: np.ndarray | None) -> list[str]:
    """Ids of the labels of one file, once it is read whole.

    Args:
        path: the file.
        times: times that labels are needed of, UTC.
        lat: degrees north of the states, (rows,); None where the states are not there yet, and any grid will do.
        lon: degrees east of the states, (columns,); None as `lat`.

    Raises:
        UserError: as of `read_own`.
    """
    return [name for name, _ in _read(path, times, lat, lon)]


def _open(path: Path, *, whole: bool = True) -> xr.Dataset:
    try:
        with xr.open_dataset(path) as data:
            return data.load() if whole else data
    except (OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        raise UserError(path, "a NetCDF file", " ".join(str(error).split())[:200], "write it again as NetCDF-4") from None


def _read(
    path: Path, times: Sequence[np.datetime64], lat: np.ndarray | None, lon: np.ndarray | None
) -> Iterator[tuple[str, _Label]]:
    data = _open(path)
    for axis, values in (("latitude", lat), ("longitude", lon)):
        if values is not None:
            _check_axis(path, data, axis, values)
    places = _places(path, data, times)
    for name in _ids(path, data):
        yield name, _label(path, data, name, places)


def _ids(path: Path, data: xr.Dataset) -> list[str]:
    """Ids of a file's labels, in its order."""
    names = [str(name) for name in data.data_vars]
    ids = [name for name in names if not _base(name, names)]
    if not ids:
        raise UserError(path, "at least one label", "none", "add a variable that is 1 where your label is on")
    for name in ids:
        _check_id(path, name)
    return ids


def _check_axis(path: Path, data: xr.Dataset, axis: str, values: np.ndarray) -> None:
    fix = "regrid your labels onto the states' grid, without interpolating"
    if axis not in data.coords or data[axis].dims != (axis,):
        raise UserError(path, f"a coordinate {axis}", f"only {', '.join(map(str, data.coords)) or 'none'}", fix)
    there = data[axis].values
    if there.shape != values.shape or there.dtype.kind not in "iuf" or not np.allclose(there, values, rtol=0, atol=_TOLERANCE):
        raise UserError(f"{path}, {axis}", f"the states' {_span(values)}", _span(there), fix)


def _span(values: np.ndarray) -> str:
    return f"{len(values)} values from {values[0]} to {values[-1]}" if len(values) else "no values"


def _places(path: Path, data: xr.Dataset, times: Sequence[np.datetime64]) -> list[int]:
    """Index of each time in the file."""
    if "time" not in data.coords or data["time"].dims != ("time",) or data["time"].dtype.kind != "M":
        raise UserError(path, "a coordinate time with units such as hours since 1970-01-01", "none", "add it")
    there = [iso_time(time) for time in data["time"].values]
    if len(set(there)) < len(there):
        raise UserError(f"{path}, time", "each time once", ", ".join(there), "take the repeated times out")
    wanted = [iso_time(time) for time in times]
    missing = [time for time in wanted if time not in there]
    if missing:
        raise UserError(f"{path}, time", ", ".join(wanted), ", ".join(there) or "none", f"add labels of {', '.join(missing)}")
    return [there.index(time) for time in wanted]


def _base(name: str, names: Sequence[str]) -> str | None:
    """The label that a strength or objects belong to; None for a label."""
    for end in (_STRENGTH, _OBJECT):
        if name.endswith(end) and name.removesuffix(end) in names:
            return name.removesuffix(end)
    return None


def _check_id(path: Path, name: str) -> None:
    if name.endswith((_STRENGTH, _OBJECT)):
        base = name.rpartition("_")[0]
        raise UserError(f"{path}, {name}", f"the label {base} beside it", "none", f"add {base}, or rename {name}")
    if not _ID.fullmatch(name):
        raise UserError(f"{path}, {name}", "an id of lower-case letters, digits and _ that begins with a letter", name, "rename it")
    if name in LABELS:
        raise UserError(f"{path}, {name}", "an id that no label by formula has", name, f"rename it, my_{name} for example")


def _label(path: Path, data: xr.Dataset, name: str, places: list[int]) -> _Label:
    mask = _values(path, data, name, places)
    # NaN is neither.
    wrong = ~((mask == 0) | (mask == 1))
    if wrong.any():
        raise UserError(f"{path}, {name}", "0 and 1 alone", f"{mask[wrong][0]}", "write 1 where the label is on and 0 elsewhere")
    mask = mask.astype(np.uint8)
    if name + _OBJECT in data:
        number = _values(path, data, name + _OBJECT, places)
        is_number = (number == np.floor(number)) & (number >= 0) & (number <= _MOST)
        if not is_number.all():
            found = f"{number[~is_number][0]}"
            raise UserError(f"{path}, {name}{_OBJECT}", f"whole numbers from 0 to {_MOST}", found, "number the objects from 1")
        if ((number > 0) != (mask == 1)).any():
            found = f"{int(((number > 0) != (mask == 1)).sum())} cells that differ"
            raise UserError(f"{path}, {name}{_OBJECT}", f"0 where {name} is 0 and a number where it is 1", found, "correct either")
        number = number.astype(np.uint16)
    else:
        try:
            number = np.stack([connected(each) for each in mask])
        except ValueError as error:
            raise UserError(f"{path}, {name}", f"at most {_MOST} objects a time", str(error), "smooth the mask") from None
    field = np.full(mask.shape, np.nan, np.float32)
    if name + _STRENGTH in data:
        field = _values(path, data, name + _STRENGTH, places).astype(np.float32)
        if np.isinf(field).any():
            raise UserError(f"{path}, {name}{_STRENGTH}", "numbers or NaN", "infinity in float32", "write NaN where there is none")
    return _Label(mask, number, field)


def _values(path: Path, data: xr.Dataset, name: str, places: list[int]) -> np.ndarray:
    variable = data[name]
    if set(variable.dims) != set(_DIMS) or variable.dtype.kind not in "biuf":
        found = f"{variable.dtype} on {', '.join(map(str, variable.dims)) or 'nothing'}"
        raise UserError(f"{path}, {name}", f"numbers on {', '.join(_DIMS)}", found, "give it these dimensions, or take it out")
    return variable.transpose(*_DIMS).values[places]
