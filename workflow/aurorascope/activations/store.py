"""The zarr group of one store: made empty with all labels; chunk.py then writes one raw file a snapshot."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from zarr.codecs import BytesCodec, Crc32cCodec

from aurorascope.activations.chunk import CRC_BYTES
from aurorascope.activations.paths import StorePaths
from aurorascope.config.calendar import parse
from aurorascope.spec import LATENT_LEVELS
from aurorascope.tokens import TokenGrid

_TIME_ATTRS = {"units": "seconds since 1970-01-01 00:00:00", "calendar": "proleptic_gregorian", "standard_name": "time"}
_ATTRS = {
    "lat": {"units": "degrees_north", "long_name": "latitude of the token's centre"},
    "lon": {"units": "degrees_east", "long_name": "longitude of the token's centre"},
    "row_cells": {"long_name": "input grid rows under the token; fewer than the largest where the row is padded"},
    "offset": {"long_name": "channel mean of the snapshot"},
    "scale": {"long_name": "power-of-two scale of the snapshot's channel"},
    "latent_level": {"long_name": "latent level of the backbone; atmos levels are learned, not pressure levels"},
}


def _array(group: zarr.Group, name: str, values: np.ndarray, dims: tuple[str, ...], attrs: dict[str, str]) -> None:
    is_text = values.dtype.kind == "U"
    array = group.create_array(
        name,
        shape=values.shape,
        chunks=values.shape,
        dtype="string" if is_text else values.dtype,
        compressors=[Crc32cCodec()],
        fill_value=np.nan if values.dtype.kind == "f" else None,
        dimension_names=dims,
        attributes=attrs,
    )
    array[...] = values


def create(paths: StorePaths, claim: dict[str, Any], grid: TokenGrid) -> None:
    """Make the group with every array and label, activations still missing (they read as NaN).

    An existing group is replaced; `resume` keeps the chunks worth keeping before it calls this.
    """
    work = _make(paths, claim, grid)
    shutil.rmtree(paths.zarr, ignore_errors=True)
    work.rename(paths.zarr)


def refresh(paths: StorePaths, claim: dict[str, Any], grid: TokenGrid) -> None:
    """Write every label of an existing group anew, one file after the other, and leave its chunks where they are."""
    work = _make(paths, claim, grid)
    for path in [path for path in work.rglob("*") if path.is_file()]:
        target = paths.zarr / path.relative_to(work)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    shutil.rmtree(work, ignore_errors=True)


def _make(paths: StorePaths, claim: dict[str, Any], grid: TokenGrid) -> Path:
    """A group without chunks in a working folder."""
    work = paths.zarr.with_name(".store.zarr.partial")
    shutil.rmtree(work, ignore_errors=True)
    group = zarr.create_group(
        str(work),
        attributes={
            "title": f"Aurora activations of {claim['block']}, {claim['split']}",
            "format": claim["format"],
            "block": claim["block"],
            "split": claim["split"],
            "checkpoint_sha256": claim["checkpoint_sha256"],
            "decode": "activation * scale + offset",
            "coordinates": "lat lon row_cells",
        },
    )
    n, d = len(claim["snapshots"]), claim["d_model"]
    group.create_array(
        "activation",
        shape=(n, *grid.shape, d),
        chunks=(1, *grid.shape, d),
        dtype=claim["dtype"],
        serializer=BytesCodec(endian="little"),
        compressors=[Crc32cCodec()],
        fill_value=np.nan,
        dimension_names=("time", "latent_level", "y", "x", "channel"),
        attributes={"long_name": "block output, encoded", "coordinates": "lat lon"},
    )
    times = np.array([int(parse(s["time"]).timestamp()) for s in claim["snapshots"]], np.int64)
    _array(group, "time", times, ("time",), _TIME_ATTRS)
    _array(group, "lat", grid.lat, ("y",), _ATTRS["lat"])
    _array(group, "lon", grid.lon, ("x",), _ATTRS["lon"])
    _array(group, "row_cells", grid.row_cells.astype(np.int16), ("y",), _ATTRS["row_cells"])
    _array(group, "latent_level", np.array(LATENT_LEVELS), ("latent_level",), _ATTRS["latent_level"])
    for name in ("offset", "scale"):
        blank = np.full((n, d), np.nan, np.float32)
        _array(group, name, blank, ("time", "channel"), _ATTRS[name])
    return work


def read_chunk(path: Path, shape: tuple[int, int], dtype: str) -> np.ndarray:
    """The stored values of one chunk file, (n_tokens, d); its digest is the caller's to check."""
    raw = np.fromfile(path, np.uint8)
    return raw[:-CRC_BYTES].view(np.dtype(dtype).newbyteorder("<")).reshape(shape)


def write_scales(paths: StorePaths, offsets: Sequence[np.ndarray], scales: Sequence[np.ndarray]) -> None:
    """Fill the offset and scale arrays, (time, channel), once all snapshots are there."""
    group = zarr.open_group(str(paths.zarr), mode="r+")
    group["offset"][...] = np.stack(offsets)
    group["scale"][...] = np.stack(scales)
