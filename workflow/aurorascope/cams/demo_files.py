"""The file layout in which the Atmosphere Data Store returns a day: two NetCDF files in an uncompressed zip."""

import datetime
import io
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

from aurorascope.cams.variables import ATMOS, SURFACE

SURFACE_MEMBER, ATMOS_MEMBER = "data_sfc.nc", "data_plev.nc"
# A zip stores local times; any fixed one makes the bytes the same on every run.
_STAMP = (1980, 1, 1, 0, 0, 0)


def _coordinate(file: netCDF4.Dataset, name: str, dims: tuple[str, ...], values: np.ndarray, **attributes: str) -> None:
    variable = file.createVariable(name, values.dtype, dims)
    variable.setncatts(attributes)
    variable[:] = values


def _fill(file: netCDF4.Dataset, times: Sequence[datetime.datetime], states: Sequence[xr.Dataset], kind: str) -> None:
    """One member: dims forecast_period, forecast_reference_time, [pressure_level,] latitude, longitude."""
    first, level = states[0], ["pressure_level"] * (kind == "atmos")
    dims = ["forecast_period", "forecast_reference_time", *level, "latitude", "longitude"]
    sizes = [1, len(times), *[first.sizes["level"]] * len(level), first.sizes["latitude"], first.sizes["longitude"]]
    for dim, size in zip(dims, sizes, strict=True):
        file.createDimension(dim, size)
    seconds = np.array([int(time.timestamp()) for time in times], np.int64)
    since = {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian"}
    _coordinate(file, "forecast_period", ("forecast_period",), np.zeros(1), units="hours")
    _coordinate(file, "forecast_reference_time", ("forecast_reference_time",), seconds, **since)
    _coordinate(file, "valid_time", ("forecast_reference_time", "forecast_period"), seconds[:, None], **since)
    if level:
        pressures = first["level"].values.astype(np.float64)
        _coordinate(file, "pressure_level", ("pressure_level",), pressures, units="hPa", stored_direction="decreasing")
    lat, lon = first["latitude"].values, first["longitude"].values
    _coordinate(file, "latitude", ("latitude",), lat, units="degrees_north", stored_direction="decreasing")
    _coordinate(file, "longitude", ("longitude",), lon, units="degrees_east")
    for v in ATMOS if level else SURFACE:
        variable = file.createVariable(
            v.netcdf, "f4", dims, zlib=True, complevel=1, shuffle=True, fill_value=np.float32(np.nan), chunksizes=sizes
        )
        variable.setncatts({"units": v.units, "long_name": v.request, "coordinates": "valid_time"})
        variable[:] = np.stack([state[v.netcdf].values for state in states])[None]


def _netcdf(times: Sequence[datetime.datetime], states: Sequence[xr.Dataset], kind: str) -> bytes:
    # By way of a real file: a NetCDF made in memory holds the time of its making, one made on disk does not.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "member.nc"
        with netCDF4.Dataset(path, mode="w") as file:
            _fill(file, times, states, kind)
        return path.read_bytes()

def day_zip(times: Sequence[datetime.datetime], states: Sequence[xr.Dataset]) -> bytes:
    """The bytes of a day's zip.

    Args:
        times: times of the states, with a zone.
        states: one state a time, with dims (level,) latitude, longitude; levels in the order to store.

    Returns:
        A zip of `data_sfc.nc` and `data_plev.nc`; the same input gives the same bytes.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, kind in ((SURFACE_MEMBER, "surface"), (ATMOS_MEMBER, "atmos")):
            archive.writestr(zipfile.ZipInfo(name, _STAMP), _netcdf(times, states, kind))
    return buffer.getvalue()
