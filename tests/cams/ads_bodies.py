"""What the stand-in of the Atmosphere Data Store delivers: a good day, and the many ways in which one can be bad."""

import functools
import io
import struct
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import xarray as xr
from aurorascope.cams.demo import write_demo_day
from aurorascope.cams.grid import regular_grid
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

SURFACE, ATMOS = "data_sfc.nc", "data_plev.nc"
HTML = b"<!DOCTYPE html><html><head><title>Log in</title></head><body>Please log in.</body></html>\n"


@functools.cache
def demo_day(date, hours, levels, rows, cols):
    """A day's zip as bytes; made once a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "day.zip"
        # The server's thread makes it while a test may read another day, and the library underneath takes one thread.
        with NETCDF4_PYTHON_LOCK:
            write_demo_day(date, hours, *regular_grid(rows, cols), levels, path)
        return path.read_bytes()


def demo_body(grid):
    """The default answer to a request: a real day at a toy grid with the hours and levels asked for."""

    def body(date, inputs):
        hours = tuple(sorted(int(time[:2]) for time in inputs["time"]))
        return demo_day(date, hours, tuple(sorted(map(int, inputs["pressure_level"]))), *grid)

    return body


def members(data):
    """Name and bytes of each member of a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(parts, compression=zipfile.ZIP_STORED):
    """A zip of named bytes; the same parts give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, part in parts.items():
            archive.writestr(zipfile.ZipInfo(name), part, compress_type=compression)
    return buffer.getvalue()


def renamed(data, rename):
    """The zip with other member names."""
    return pack({rename(name): part for name, part in members(data).items()})


def changed(data, change, only=(SURFACE, ATMOS), **options):
    """The zip after a change to the datasets inside; `options` go to `to_netcdf`, `encoding` may be a function."""
    parts = members(data)
    with tempfile.TemporaryDirectory() as folder:
        for name in only:
            path = Path(folder) / name
            path.write_bytes(parts[name])
            dataset = change(xr.load_dataset(path, decode_timedelta=True))
            path.unlink()
            encoding = options["encoding"](dataset) if "encoding" in options else None
            dataset.to_netcdf(path, **{**options, "encoding": encoding})
            parts[name] = path.read_bytes()
    return pack(parts)


def _days_later(dataset):
    moved = {
        name: dataset[name] + np.timedelta64(1, "D")
        for name in ("forecast_reference_time", "valid_time")
    }
    return dataset.assign_coords(moved)


def _with_nan(dataset):
    dataset["co"][..., 2, 3] = np.nan
    return dataset


def _from_west(dataset):
    return dataset.assign_coords(longitude=(dataset["longitude"] + 180) % 360 - 180).sortby("longitude")


def _int16(dataset):
    """Encoding of the service before September 2024."""
    encoding = {}
    for name, field in dataset.data_vars.items():
        low, high = float(field.min()), float(field.max())
        scale = max((high - low) / 65000, 1e-30)
        encoding[name] = {
            "dtype": "int16", "scale_factor": scale, "add_offset": (low + high) / 2, "_FillValue": -32767, "zlib": False
        }
    return encoding


def _integers(dataset):
    return dataset.assign({name: field.round().astype("int16") for name, field in dataset[["t", "u"]].items()})


def _encrypted(data):
    spoiled = bytearray(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        offsets = [member.header_offset for member in archive.infolist()]
        directory = archive.start_dir
    for offset in offsets:
        spoiled[offset + 6] |= 1
        directory = data.index(b"PK\x01\x02", directory)
        spoiled[directory + 8] |= 1
        directory += 1
    return bytes(spoiled)


def _bomb(data):
    parts = members(data)
    return pack({SURFACE: parts[SURFACE], ATMOS: bytes(32 << 20)}, zipfile.ZIP_DEFLATED)


def _flipped(data):
    spoiled = bytearray(data)
    spoiled[len(data) // 2] ^= 1
    return bytes(spoiled)


def _lying_size(data):
    """The central directory says less than the members hold."""
    spoiled = bytearray(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        directory = archive.start_dir
    spoiled[directory + 20 : directory + 28] = struct.pack("<II", 10, 10)
    return bytes(spoiled)


# Each takes the bytes of a good day and returns what is delivered instead.
SPOILED = {
    # Not a zip, or not a whole one; lengths that the store announces agree with it.
    "truncated": lambda data: data[: len(data) * 3 // 5],
    "flipped": _flipped,
    "no_bytes": lambda data: b"",
    "page": lambda data: HTML,
    "bare_netcdf": lambda data: members(data)[ATMOS],
    # A zip whose members are not what they should be.
    "numbered": lambda data: renamed(data, {SURFACE: "data_0.nc", ATMOS: "data_1.nc"}.get),
    "one_member": lambda data: pack({SURFACE: members(data)[SURFACE]}),
    "twice": lambda data: pack({**members(data), f"again/{ATMOS}": members(data)[ATMOS]}),
    "not_netcdf": lambda data: pack({**members(data), ATMOS: b"no data today\n"}),
    "traversal": lambda data: pack({**members(data), "../../evil": b"evil"}),
    "absolute": lambda data: pack({**members(data), "/evil": b"evil"}),
    "traversing_pair": lambda data: renamed(data, lambda name: f"../../{name}"),
    "encrypted": _encrypted,
    "bomb": _bomb,
    "lying_size": _lying_size,
    # Harmless.
    "receipt": lambda data: pack({**members(data), "receipt-1f0c.yaml": b"request: {}\n"}),
    "in_folder": lambda data: renamed(data, lambda name: f"1f0c/{name}"),
    "old_names": lambda data: renamed(data, {SURFACE: "levtype_sfc.nc", ATMOS: "levtype_pl.nc"}.get),
    "trailing": lambda data: data + bytes(1000),
    "deflated": lambda data: pack(members(data), zipfile.ZIP_DEFLATED),
    "packed": lambda data: changed(data, lambda part: part, encoding=_int16),
    # A good zip with the wrong numbers.
    "missing_variable": lambda data: changed(data, lambda part: part.drop_vars("so2"), [ATMOS]),
    "missing_level": lambda data: changed(data, lambda part: part.isel(pressure_level=slice(1, None)), [ATMOS]),
    "missing_time": lambda data: changed(data, lambda part: part.isel(forecast_reference_time=[0])),
    "other_date": lambda data: changed(data, _days_later),
    "nan": lambda data: changed(data, _with_nan, [ATMOS]),
    "west": lambda data: changed(data, _from_west),
    "upside_down": lambda data: changed(data, lambda part: part.sortby("latitude")),
    "integers": lambda data: changed(data, _integers, [ATMOS]),
    "two_grids": lambda data: changed(data, lambda part: part.isel(latitude=slice(0, -1)), [ATMOS]),
    "celsius": lambda data: changed(data, lambda part: part.assign(t2m=part["t2m"] - 273.15), [SURFACE]),
}
