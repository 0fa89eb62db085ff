"""A day's labels from disk, each compared with its digest when it is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from aurorascope.cams.day_group import TIME_UNITS, iso_time
from aurorascope.errors import UserError, make_or_take, nearest, remake
from aurorascope.files import read_record
from aurorascope.labels.all import label_dataset
from aurorascope.labels.write import FORMAT, KIND, TYPES, label_digest

# What zarr and its codecs raise on spoilt metadata or chunks is anything.
_SPOILT = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, eq=False)
class LabelDay:
    """A finished day, of which only the labels of its axes have been read.

    Attributes:
        path: the record.
        record: its content.
        arrays: zarr arrays `mask`, `object` and `field`, (time, label, rows, columns).
        times: times, `YYYY-MM-DDTHH:00:00Z`, ascending.
        labels: ids in the order of the store.
        lat: degrees north, (rows,).
        lon: degrees east, (columns,).
    """

    path: Path
    record: dict[str, Any]
    arrays: dict[str, zarr.Array]
    times: tuple[str, ...]
    labels: tuple[str, ...]
    lat: np.ndarray
    lon: np.ndarray

    def read(self, label: str, time: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mask (uint8), object (uint16) and field (float32) of one label at one time, each (rows, columns).

        Raises:
            UserError: the label or time is not there, or its values are not those that the record names.
        """
        if label not in self.labels:
            raise UserError(f"{self.path}, label", f"one of {', '.join(self.labels)}", repr(label), nearest(label, self.labels))
        self._check_time(time)
        where, place = self.path.with_suffix(".zarr"), (self.times.index(time), self.labels.index(label))
        try:
            found = [np.asarray(self.arrays[name][place]) for name in TYPES]
        except _SPOILT as error:
            raise _damaged(where, error, self.path) from None
        expected, digest = self.record["labels"][label]["sha256"][time], label_digest(*found)
        if digest != expected:
            raise UserError(f"{where}, {label} at {time}", f"sha256 {expected}", f"sha256 {digest}", remake(self.path))
        return found[0], found[1], found[2]

    def _check_time(self, time: str) -> None:
        if time not in self.times:
            raise UserError(f"{self.path}, time", f"one of {', '.join(self.times)}", repr(time), nearest(time, self.times))

    def read_all(self, time: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Masks, objects and fields of all labels at one time, each (labels, rows, columns): as `read`, from one read of the disk.

        Raises:
            UserError: as `read`.
        """
        self._check_time(time)
        where, place = self.path.with_suffix(".zarr"), self.times.index(time)
        try:
            mask, number, field = (np.asarray(self.arrays[name][place]) for name in TYPES)
        except _SPOILT as error:
            raise _damaged(where, error, self.path) from None
        for at, label in enumerate(self.labels):
            expected, digest = self.record["labels"][label]["sha256"][time], label_digest(mask[at], number[at], field[at])
            if digest != expected:
                raise UserError(f"{where}, {label} at {time}", f"sha256 {expected}", f"sha256 {digest}", remake(self.path))
        return mask, number, field

    def dataset(self, time: str) -> xr.Dataset:
        """All labels of one time, as `label_state` and the user's own gave them.

        Raises:
            UserError: as `read`.
        """
        parts = [self.read(label, time) for label in self.labels]
        mask, number, field = (np.stack(each) for each in zip(*parts, strict=True))
        return label_dataset(list(self.labels), np.datetime64(time[:-1]), self.lat, self.lon, mask, number, field)


def _damaged(where: Path, error: Exception, record: Path) -> UserError:
    found = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return UserError(where, "a readable zarr group of labels", found, remake(record))


def read_day(folder: Path | str, day: str) -> LabelDay:
    """Open a finished day.

    Raises:
        UserError: the record or the group is missing, damaged or of another format, or they have other labels or times.
    """
    path = Path(folder) / f"{day}.json"
    if not path.exists():
        raise UserError(path, f"the labels of {day}", "none", make_or_take(path))
    record = read_record(path, KIND.name)
    if record.get("format") != FORMAT:
        raise UserError(path, f"labels of format {FORMAT}", f"format {record.get('format')}", remake(path))
    where = path.with_suffix(".zarr")
    if not where.is_dir():
        raise UserError(where, f"the labels of {day}", "no such folder", remake(path))
    try:
        group = zarr.open_group(str(where), mode="r")
        arrays = {name: group[name] for name in TYPES}
        hours, labels, lat, lon = (np.asarray(group[name][...]) for name in ("time", "label", "latitude", "longitude"))
        if group["time"].attrs["units"] != TIME_UNITS:
            raise ValueError(f"time in {group['time'].attrs['units']}")
        shape = (len(hours), len(labels), len(lat), len(lon))
        for name, kind in TYPES.items():
            if arrays[name].shape != shape or arrays[name].dtype != kind:
                raise ValueError(f"{name} is {arrays[name].dtype} {arrays[name].shape}, expected {kind} {shape}")
        times = tuple(iso_time(np.datetime64(int(hour), "h")) for hour in hours)
        names = tuple(str(label) for label in labels)
        recorded = {name: sorted(entry["sha256"]) for name, entry in record["labels"].items()}
    except _SPOILT as error:
        raise _damaged(where, error, path) from None
    if recorded != {name: list(times) for name in names}:
        raise UserError(where, f"labels {', '.join(recorded)} as its record has", ", ".join(names) or "none", remake(path))
    for axis, values in (("latitude", lat), ("longitude", lon)):
        found = {"n": len(values), "first": float(values[0]), "last": float(values[-1])}
        if record.get(axis) != found:
            raise UserError(f"{where}, {axis}", str(record.get(axis)), str(found), remake(path))
    return LabelDay(path, record, arrays, times, names, lat, lon)


def verify_day(folder: Path | str, day: str) -> None:
    """Read a finished day back, all of it.

    Raises:
        UserError: as `read_day` and `LabelDay.read`.
    """
    found = read_day(folder, day)
    for label in found.labels:
        for time in found.times:
            found.read(label, time)
