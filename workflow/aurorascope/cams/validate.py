"""From the files of one day to one labelled dataset, or to an error that says what is wrong with them.

Aurora accepts a missing variable, a NaN or another grid without a word and answers with other activations, so all is
checked here, before any of it reaches Aurora. Nothing in a downloaded file is trusted, its member names included.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from aurorascope.cams.grid import check_grid
from aurorascope.cams.source import Pair, open_pair
from aurorascope.cams.variables import ATMOS, SURFACE, Variable
from aurorascope.errors import UserError

_LOG = logging.getLogger(__name__)

_FETCH = "fetch that day again with all 22 variables, these levels and hours, and no area"
# Names that the current and the older converter give to the same dimension.
_DIMS = {
    "forecast_reference_time": "time", "pressure_level": "level", "isobaricInhPa": "level", "lat": "latitude",
    "lon": "longitude",
}
_SPREADS = 15
_NEGATIVE = 1e-3


def read_day(
    source: Path | str,
    date: str,
    hours: Sequence[int],
    levels: Sequence[int],
    where: object = None,
    work: Path | None = None,
) -> xr.Dataset:
    """Read and check one day.

    Args:
        source: a day's zip, or a folder with the extracted pair of NetCDF files.
        date: `YYYY-MM-DD`, UTC.
        hours: hours of the states wanted, UTC; others in the files are dropped.
        levels: levels wanted, hPa; others are dropped.
        where: what messages call the source; its path if None.
        work: folder in which a zip is unpacked for as long as it is read; the system's if None.

    Returns:
        The 22 variables under their NetCDF names, float32, in memory, dims (time, [level,] latitude, longitude); `time`
        naive UTC datetime64[ns], `level` ascending int hPa, units as attributes.

    Raises:
        UserError: the source is missing, broken or hostile, or lacks a variable, level or time, or holds another date,
            a grid that Aurora does not take, integers, NaN or infinity.
        DiskError: the folder to unpack in is full or not there.
    """
    where = source if where is None else where
    midnight = np.datetime64(date, "ns")
    times = [midnight + np.timedelta64(hour, "h") for hour in sorted(set(hours))]
    with open_pair(Path(source), where, work) as pair:
        surface = _part(pair, SURFACE, times, None)
        atmos = _part(pair, ATMOS, times, sorted(set(levels)))
    for axis in ("latitude", "longitude"):
        if not np.array_equal(surface[axis].values, atmos[axis].values):
            raise UserError(where, f"the same {axis} in both files", "two different ones", _FETCH)
    check_grid(surface["latitude"].values, surface["longitude"].values, where)
    day = xr.merge([surface, atmos], join="exact", compat="equals", combine_attrs="override")
    unusual = [place for v in SURFACE + ATMOS for place in _check_values(day[v.netcdf], v, where)]
    if unusual:
        _LOG.warning(
            "%s: %d of %d fields reach unusual values (a large plume does, wrong units do too): %s%s",
            where, len(unusual), len(SURFACE) + len(ATMOS) * len(day["level"]), "; ".join(unusual[:3]),
            "; ..." if len(unusual) > 3 else "",
        )
    return day


def _part(
    pair: Pair, variables: Sequence[Variable], times: list[np.datetime64], levels: list[int] | None
) -> xr.Dataset:
    """One file's variables at the wanted times and levels, in memory."""
    path, where = pair.files[variables[0].kind], pair.name(variables[0].kind)
    try:
        with xr.open_dataset(path, engine="netcdf4", decode_timedelta=True) as file:
            missing = [v.netcdf for v in variables if v.netcdf not in file.data_vars]
            if missing:
                expected = ", ".join(v.netcdf for v in variables)
                raise UserError(where, f"variables {expected}", f"none named {', '.join(missing)}", _FETCH)
            data = _plain(file[[v.netcdf for v in variables]], where)
            dims = ["time", *["level"] * (levels is not None), "latitude", "longitude"]
            for v in variables:
                _check_form(data[v.netcdf], v, dims, where)
            data = _select(data, times, levels, where).load().transpose(*dims)
    except UserError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, EOFError) as error:
        raise UserError(where, "a readable NetCDF file", " ".join(str(error).split())[:200], _FETCH) from None
    return _relabelled(data, variables)


def _plain(file: xr.Dataset, where: object) -> xr.Dataset:
    """The analysis of a file under one set of dimension names."""
    if "forecast_period" in file.dims or "forecast_period" in file.coords:
        if "forecast_period" in file.dims:
            at_zero = np.flatnonzero(file["forecast_period"].values == np.timedelta64(0))
            if len(at_zero) != 1:
                found = f"{file.sizes['forecast_period']} other periods"
                raise UserError(where, "forecast_period 0, the analysis", found, _FETCH)
            file = file.isel(forecast_period=int(at_zero[0]))
        if file["forecast_period"].values != np.timedelta64(0):
            raise UserError(where, "forecast_period 0, the analysis", str(file["forecast_period"].values), _FETCH)
    known = {old: new for old, new in _DIMS.items() if old in file.dims or old in file.coords}
    file = file.drop_vars([name for name in ("valid_time", "forecast_period") if name in file.coords]).rename(known)
    if "time" in file.coords and "time" not in file.dims:
        file = file.expand_dims("time")
    for dim in ("time", "latitude", "longitude"):
        if dim not in file.coords:
            raise UserError(where, f"a coordinate for {dim}", f"dims {', '.join(map(str, file.dims))}", _FETCH)
    return file


def _check_form(field: xr.DataArray, variable: Variable, dims: list[str], where: object) -> None:
    if sorted(map(str, field.dims)) != sorted(dims):
        raise UserError(f"{where}, {variable.netcdf}", f"dims {dims}", str(list(field.dims)), _FETCH)
    if field.dtype.kind != "f":
        raise UserError(f"{where}, {variable.netcdf}", "floating point values", str(field.dtype), _FETCH)


def _select(data: xr.Dataset, times: list[np.datetime64], levels: list[int] | None, where: object) -> xr.Dataset:
    have = data["time"].values.astype("datetime64[ns]")
    absent = [str(time)[:16] for time in times if (have == time).sum() != 1]
    if absent:
        found = ", ".join(str(time)[:16] for time in have[:8]) or "no time"
        raise UserError(where, f"the states {', '.join(absent)} UTC, each once", found, _FETCH)
    data = data.isel(time=[int(np.flatnonzero(have == time)[0]) for time in times])
    if levels is None:
        return data
    have = np.asarray(data["level"].values, np.float64)
    absent = [str(level) for level in levels if (have == level).sum() != 1]
    if absent:
        found = ", ".join(f"{level:g}" for level in np.sort(have)[:40])
        raise UserError(where, f"the levels {', '.join(absent)} hPa, each once", found, _FETCH)
    return data.isel(level=[int(np.flatnonzero(have == level)[0]) for level in levels])


def _relabelled(data: xr.Dataset, variables: Sequence[Variable]) -> xr.Dataset:
    """The loaded fields as float32 with nothing of the source's encoding, so that equal content is stored alike."""
    coords: dict[str, object] = {"time": data["time"].values.astype("datetime64[ns]")}
    if "level" in data.dims:
        coords["level"] = ("level", data["level"].values.astype(np.int64), {"units": "hPa"})
    for axis, units in (("latitude", "degrees_north"), ("longitude", "degrees_east")):
        coords[axis] = (axis, data[axis].values.astype(np.float64), {"units": units})
    fields = {
        v.netcdf: (
            data[v.netcdf].dims,
            data[v.netcdf].values.astype(np.float32),
            {"units": data[v.netcdf].attrs.get("units", v.units)},
        )
        for v in variables
    }
    return xr.Dataset(fields, coords)


def _check_values(field: xr.DataArray, variable: Variable, where: object) -> list[str]:
    """Refuse NaN and infinity; describe the levels whose values are far from Aurora's statistics."""
    values = field.values
    n_bad = int(values.size - np.isfinite(values).sum())
    if n_bad:
        found = f"{n_bad} of {values.size} values NaN or infinite"
        raise UserError(f"{where}, {variable.netcdf}", "finite values", found, _FETCH)
    unusual = []
    for index, level in enumerate([None] if variable.kind == "surface" else field["level"].values.tolist()):
        part = values if level is None else values[:, index]
        loc, scale = variable.stats(level)
        low = -_NEGATIVE * scale if variable.composition else loc - _SPREADS * scale
        high = loc + _SPREADS * scale
        if part.min() < low or part.max() > high:
            place = variable.netcdf if level is None else f"{variable.netcdf} at {level} hPa"
            unusual.append(f"{place} {part.min():.3g} to {part.max():.3g} (usual {low:.3g} to {high:.3g})")
    return unusual
