"""A day's labels on disk: one zarr group and its record, which is small, of content alone, and written last."""

import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.errors import ZarrUserWarning

from aurorascope.cams.day_group import TIME_UNITS, iso_time
from aurorascope.config.thresholds import UNCHECKED, Thresholds
from aurorascope.files import disk_errors, publish_folder, sha256_bytes, write_json
from aurorascope.labels.all import LABELS, VERSION
from aurorascope.labels.claim import MadeFrom
from aurorascope.records import KINDS
from aurorascope.sphere import AREA_UNITS, cell_areas

FORMAT = 1
KIND = KINDS["labels"]
TYPES = {"mask": np.dtype("<u1"), "object": np.dtype("<u2"), "field": np.dtype("<f4")}
_FILLS = {"mask": 0, "object": 0, "field": np.float32(np.nan)}
_DIMS = ("time", "label", "latitude", "longitude")
_LEVEL = 3


def write_day(folder: Path | str, day: str, datasets: Sequence[xr.Dataset], thresholds: Thresholds, made_from: MadeFrom) -> Path:
    """Write one day's labels, `<day>.zarr`, and its record, `<day>.json`; older ones are replaced.

    Args:
        folder: where days of labels are.
        day: `YYYY-MM-DD`.
        datasets: labels of each time of the day as `label_state` gives them, own ones joined along `label`; ascending.
        thresholds: those they were made with.
        made_from: what they were made from.

    Returns:
        The record's path.

    Raises:
        UserError: the disk is full or read-only; nothing is left under the final name.
        ValueError: no time, times of another day or not ascending, or times with other labels or another grid than the first.
    """
    _check(day, datasets)
    record = Path(folder) / f"{day}.json"
    target = record.with_suffix(".zarr")
    work = target.with_name(f".{target.name}.work-{os.getpid()}")
    try:
        with disk_errors(target, every=True), warnings.catch_warnings():
            warnings.simplefilter("ignore", ZarrUserWarning)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(work, ignore_errors=True)
            _write_group(work, datasets)
            publish_folder(work, target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    write_json(record, _content(day, datasets, thresholds, made_from))
    return record


def _check(day: str, datasets: Sequence[xr.Dataset]) -> None:
    if not datasets:
        raise ValueError(f"no labels of {day}")
    times = [iso_time(data["time"].values) for data in datasets]
    if any(time[:10] != day for time in times) or times != sorted(set(times)):
        raise ValueError(f"labels of {', '.join(times)}, expected ascending times of {day}")
    for data in datasets:
        for axis in _DIMS[1:]:
            if not np.array_equal(data[axis].values, datasets[0][axis].values):
                raise ValueError(f"the labels of {day} differ in {axis} from time to time")
    names = _names(datasets[0])
    if len(set(names)) < len(names):
        raise ValueError(f"a label twice among {', '.join(names)}")


def _names(data: xr.Dataset) -> list[str]:
    return [str(name) for name in data["label"].values]


def _write_group(path: Path, datasets: Sequence[xr.Dataset]) -> None:
    first = datasets[0]
    group = zarr.create_group(str(path), zarr_format=3, attributes={"title": "labels of weather states", "format": FORMAT})
    hours = [int(np.datetime64(data["time"].values, "h").astype(np.int64)) for data in datasets]
    axes = {
        "time": (np.array(hours, np.int64), {"units": TIME_UNITS, "calendar": "proleptic_gregorian", "standard_name": "time"}),
        "label": (np.array(_names(first)), {"long_name": "id of the label"}),
        "latitude": (np.asarray(first["latitude"].values, np.float64), {"units": "degrees_north", "standard_name": "latitude"}),
        "longitude": (np.asarray(first["longitude"].values, np.float64), {"units": "degrees_east", "standard_name": "longitude"}),
    }
    for name, (values, attributes) in axes.items():
        array = group.create_array(
            name, shape=values.shape, chunks=values.shape, dtype="string" if values.dtype.kind == "U" else values.dtype,
            compressors=[Crc32cCodec()], dimension_names=(name,), attributes=attributes,
            fill_value=np.nan if values.dtype.kind == "f" else None,
        )
        array[...] = values
    shape = tuple(len(values) for values, _ in axes.values())
    words = {"mask": "1 where the label is on", "object": "number of the object, 0 for none", "field": "what the mask is cut from"}
    for name, kind in TYPES.items():
        codecs = [BloscCodec(cname="zstd", clevel=_LEVEL, shuffle="bitshuffle", typesize=kind.itemsize), Crc32cCodec()]
        # A file a time: with one a label, too, a day would be a thousand files and folders, each synced to the disk.
        array = group.create_array(
            name, shape=shape, chunks=(1, 1, *shape[2:]), shards=(1, *shape[1:]), dtype=kind, compressors=codecs,
            dimension_names=_DIMS, fill_value=_FILLS[name], attributes={"long_name": words[name]},
        )
        # One file after the other: of several at once, some would still be written after the first had failed.
        for time, data in enumerate(datasets):
            array[time] = data[name].values.astype(kind, copy=False)
    zarr.consolidate_metadata(str(path), zarr_format=3)


def label_digest(mask_yx: np.ndarray, object_yx: np.ndarray, field_yx: np.ndarray) -> str:
    """Hex sha256 of one label at one time: values of mask, object and field, whatever the store's codecs."""
    parts = zip((mask_yx, object_yx, field_yx), TYPES.values(), strict=True)
    return sha256_bytes(b"".join(np.ascontiguousarray(values, kind).tobytes() for values, kind in parts))


def _content(day: str, datasets: Sequence[xr.Dataset], thresholds: Thresholds, made_from: MadeFrom) -> dict[str, Any]:
    first, labels = datasets[0], {}
    lat, lon = (np.asarray(first[axis].values, np.float64) for axis in ("latitude", "longitude"))
    area_y = cell_areas(lat, len(lon))
    total = int(area_y.sum()) * len(lon) * len(datasets)
    for place, name in enumerate(_names(first)):
        arrays = [[data[part].values[place] for part in TYPES] for data in datasets]
        on = sum(int(((mask != 0).sum(axis=1) * area_y).sum()) for mask, _, _ in arrays)
        labels[name] = {
            "kind": LABELS[name].kind if name in LABELS else "own",
            "base_rate": on / total,
            # Numbers need not be without gaps in a user's own.
            "objects": sum(len(np.unique(number[number > 0])) for _, number, _ in arrays),
            "sha256": {iso_time(data["time"].values): label_digest(*each) for data, each in zip(datasets, arrays, strict=True)},
        }
    return {
        "kind": KIND.name, "format": FORMAT, "definitions": VERSION, "date": day, "labels": labels,
        "thresholds": {
            name: {"value": value} | ({"unchecked": True} if name in UNCHECKED else {})
            for name, value in thresholds.by_name().items()
        },
        "area": {"units_in_sphere": AREA_UNITS, "covered": int(area_y.sum()) * len(lon)},
        "latitude": {"n": len(lat), "first": float(lat[0]), "last": float(lat[-1])},
        "longitude": {"n": len(lon), "first": float(lon[0]), "last": float(lon[-1])},
        **made_from.entries(),
    }
