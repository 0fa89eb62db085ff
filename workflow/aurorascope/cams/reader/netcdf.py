"""Fields of a NetCDF file, whatever it calls its variables, dimensions and levels."""

import contextlib
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.io import netcdf_file as scipy_netcdf

from aurorascope.cams.axes import exact_latitudes, exact_longitudes
from aurorascope.cams.names import identify
from aurorascope.cams.reader.pieces import Found, Piece
from aurorascope.cams.reader.times import Times, says_time, times_of
from aurorascope.cams.units import conversion, plain_units
from aurorascope.errors import UserError

_DEGREES = {"latitude": "degrees_north", "longitude": "degrees_east"}
_LATITUDE, _LONGITUDE = ("latitude", "lat", "nav_lat"), ("longitude", "lon", "nav_lon")
_LEVEL = ("pressure_level", "level", "isobaricinhpa", "isobaricinpa", "plev", "lev", "plevel", "pressure", "air_pressure")
# Of levels that are no pressures, and of fields that are no instants.
_MODEL = re.compile("hybrid|model|sigma|height|depth", re.IGNORECASE)
_METHODS = re.compile(r"((?:\w+:\s*)+)(\w+)")
_TIMES = {"time", "t", "valid_time", "forecast_reference_time", "forecast_period", "step"}
_INSTANT = "take the analysis, not a mean or sum over time"
_FIX = "write the field as one array along time, level, latitude and longitude, or take it out of cams.directory"


def read_netcdf(path: Path, where: str, stack: contextlib.ExitStack, found: Found) -> None:
    """Add the pieces, forecasts, other fields and problems of a file, which errors call `where`, to what was found.

    The stack keeps the file open for as long as pieces are to be loaded.

    Raises:
        UserError: it is no readable NetCDF file.
    """
    with _readable(where):
        _check_whole(path)
        file = stack.enter_context(xr.open_dataset(path, engine="netcdf4", decode_timedelta=True, cache=False))
        # Times that a tool has made plain variables are still the fields' times.
        file = file.set_coords([name for name, variable in file.data_vars.items() if says_time(str(name), variable)])
        spans = {str(file[name].attrs["bounds"]): name for name in file.variables if "bounds" in file[name].attrs}
        wide = {str(name) for bounds, name in spans.items() if bounds in file and _is_wide(file[bounds])}
    for name, field in file.data_vars.items():
        if str(name) not in spans:
            _add(str(name), field, f"{where}, {name}", where, found, wide)


@contextlib.contextmanager
def _readable(where: str) -> Iterator[None]:
    # What libraries raise on damaged headers, chunks and attributes is anything.
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, TypeError, IndexError, OverflowError) as error:
        text = " ".join(str(error).split())[:200]
        raise UserError(where, "a readable NetCDF file", text, "fetch or write that file again") from None


def _check_whole(path: Path) -> None:
    """A NetCDF-3 file that is shorter than its header says would be read with zeros at its end."""
    with open(path, "rb") as file:
        head = file.read(4)
    if head in (b"CDF\x01", b"CDF\x02"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scipy_netcdf(path, mmap=True).close()
        except (ValueError, TypeError) as error:
            raise ValueError(f"shorter than its header says: {error}") from None


def _is_wide(bounds: xr.DataArray) -> bool:
    """Whether bounds in time span more than an instant."""
    if bounds.dtype.kind != "M" or bounds.ndim != 2 or bounds.shape[1] != 2:
        return False
    return bool((bounds[:, 0].values != bounds[:, 1].values).any())


def _number(value: object) -> int | None:
    """A paramId as a number; -1, which is none of ours, where it is something else."""
    if value is None:
        return None
    try:
        return int(np.asarray(value).item())
    except (ValueError, TypeError):
        return -1


def _height_of(field: xr.DataArray) -> float | None:
    for key in field.coords:
        if str(key).lower() in ("height", "heightaboveground", "height_above_ground") and field.coords[key].size == 1:
            value = field.coords[key].values.item()
            return float(value) if isinstance(value, int | float) else None
    return None


def _add(name: str, field: xr.DataArray, where: str, file: str, found: Found, wide: set[str]) -> None:
    level = _level_of(field)
    param = _number(field.attrs.get("GRIB_paramId"))
    variable = identify(
        "surface" if level is None else "atmos", name, field.attrs.get("standard_name"), param, _height_of(field)
    )
    if variable is None:
        found.others.setdefault(file, []).append(name)
        return
    try:
        times = times_of(field, where)
        spanned = sorted(wide & {str(key) for key in field.coords})
        if spanned:
            raise UserError(where, "values at an instant", f"bounds of {spanned[0]} that span a time", _INSTANT)
    except UserError as error:
        found.problems.append((variable.netcdf, frozenset(), error))
        return
    analyses = np.argwhere((times.lead == np.timedelta64(0)) & ~np.isnat(times.valid))
    for place in np.argwhere(times.lead != np.timedelta64(0)):
        found.forecasts.append((variable.netcdf, times.valid[tuple(place)], where))
    if not len(analyses):
        return
    valid = [times.valid[tuple(place)] for place in analyses]
    try:
        _check_once([str(time)[:16] for time in valid], "time", where)
        latitude, longitude = (_axis_of(field, names, where) for names in (_LATITUDE, _LONGITUDE))
        field, order = _plain(field, times, level, (latitude.dims[0], longitude.dims[0]), where)
        standard = str(field.attrs.get("standard_name", ""))
        pure = param is not None or standard.startswith("mass_fraction") or variable.netcdf == "q"
        piece = Piece(
            variable, where, tuple(valid), () if level is None else _hectopascals(level, where),
            exact_latitudes(latitude.values, where), exact_longitudes(longitude.values, where),
            conversion(variable, field.attrs.get("units"), where, pure), _Load(field, order, analyses, len(times.dims), where),
        )
    except UserError as error:
        found.problems.append((variable.netcdf, frozenset(valid), error))
        return
    found.pieces.append(piece)


class _Load:
    """Loads slices of a field, `pieces.Load`."""

    def __init__(self, field: xr.DataArray, order: list[str], analyses: np.ndarray, n_times: int, where: str) -> None:
        self._field, self._order, self._analyses, self._n, self._where = field, order, analyses, n_times, where

    def __call__(self, times: Sequence[int], levels: Sequence[int]) -> np.ndarray:
        places = self._analyses[list(times)]
        dims = self._order[: self._n]
        rest = self._order[self._n :]
        picked = self._field.isel({rest[0]: list(levels)}) if len(rest) == 3 else self._field
        # All but one of the time dimensions mostly stay where they are, and one read then has all.
        moving = [i for i in range(self._n) if len(set(places[:, i].tolist())) > 1]
        if len(moving) <= 1:
            keep = moving[0] if moving else (0 if self._n else None)
            fixed = {dim: int(places[0, i]) for i, dim in enumerate(dims) if i != keep}
            if keep is None:
                return self._read(picked, rest)[None]
            picked = picked.isel({**fixed, dims[keep]: places[:, keep].tolist()})
            return self._read(picked, [dims[keep], *rest])
        slices = [picked.isel({dim: int(i) for dim, i in zip(dims, place, strict=True)}) for place in places]
        return np.stack([self._read(part, rest) for part in slices])

    def _read(self, field: xr.DataArray, dims: list[str]) -> np.ndarray:
        with _readable(self._where):
            return field.load().transpose(*dims).values


def _plain(
    field: xr.DataArray, times: Times, level: xr.DataArray | None, axes: tuple[str, str], where: str
) -> tuple[xr.DataArray, list[str]]:
    """The field without dimensions of length one that say nothing, and its dimensions in order: times, level, axes."""
    order = [*times.dims, *(() if level is None or not level.dims else level.dims), *axes]
    extra = [dim for dim in field.dims if dim not in order]
    long = [f"{dim} of {field.sizes[dim]}" for dim in extra if field.sizes[dim] != 1]
    if long:
        raise UserError(where, f"dims {', '.join(order)}", f"also {', '.join(long)}", _FIX)
    if field.dtype.kind != "f":
        raise UserError(where, "floating point values", str(field.dtype), "write the field as float32")
    for dims, method in _METHODS.findall(str(field.attrs.get("cell_methods", ""))):
        if method != "point" and {dim.strip().lower() for dim in dims.split(":")} & _TIMES:
            raise UserError(where, "values at an instant", f"cell_methods {dims.strip()} {method}", _INSTANT)
    if field.attrs.get("GRIB_stepType", "instant") != "instant":
        raise UserError(where, "values at an instant", f"GRIB_stepType {field.attrs['GRIB_stepType']}", _INSTANT)
    field = field.isel(dict.fromkeys(extra, 0))
    if level is not None and not level.dims:
        # One level, once for all.
        field, order = field.expand_dims("level_"), [*times.dims, "level_", *axes]
    return field, order


def _level_of(field: xr.DataArray) -> xr.DataArray | None:
    """The pressures of a field's levels."""
    for key in field.coords:
        coordinate, name = field.coords[key], str(key).lower()
        standard = str(coordinate.attrs.get("standard_name", ""))
        if coordinate.ndim > 1 or coordinate.dtype.kind not in "if":
            continue
        if name not in _LEVEL and standard != "air_pressure":
            continue
        words = f"{standard} {coordinate.attrs.get('long_name', '')} {field.attrs.get('GRIB_typeOfLevel', '')}"
        if _MODEL.search(words) or (coordinate.size == 1 and not coordinate.values.item()):
            continue
        values = np.atleast_1d(coordinate.values)
        if "units" not in coordinate.attrs and len(values) > 3 and (np.abs(np.diff(values)) == 1).all():
            # Numbers of model levels.
            continue
        return coordinate
    return None


def _hectopascals(level: xr.DataArray, where: str) -> tuple[int, ...]:
    """Levels in whole hPa."""
    import cf_units

    values, units = np.atleast_1d(level.values).astype(np.float64), plain_units(str(level.attrs.get("units", "")))
    if not len(values) or not np.isfinite(values).all():
        raise UserError(where, "levels of whole hPa", f"{len(values)} levels, NaN among them" if len(values) else "none", _FIX)
    if str(level.name).lower() == "isobaricinpa" or (not units and values.max() > 1100):
        units = units or "Pa"
    try:
        values = cf_units.Unit(units or "hPa").convert(values, "hPa")
    except ValueError:
        raise UserError(where, "levels in units of pressure", f"{level.name} in {units!r}", "write the units as CF does") from None
    whole = np.rint(values)
    if np.abs(values - whole).max() > 1e-4 * np.abs(values).max() or whole.min() <= 0:
        odd = values[int(np.argmax(np.abs(values - whole)))]
        raise UserError(where, "levels of whole hPa", f"{odd:g} hPa", "take the levels that cams.levels names")
    levels = tuple(int(value) for value in whole)
    _check_once([f"{value} hPa" for value in levels], "level", where)
    return levels


def _check_once(values: list[str], name: str, where: str) -> None:
    if len(set(values)) != len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise UserError(where, f"each {name} once", f"{twice} {values.count(twice)} times", _FIX)


def _axis_of(field: xr.DataArray, names: tuple[str, ...], where: str) -> xr.DataArray:
    axis = names[0]
    for key in field.coords:
        coordinate = field.coords[key]
        is_named = str(key).lower() in names or coordinate.attrs.get("standard_name") == axis
        if is_named or coordinate.attrs.get("units") == _DEGREES[axis]:
            if coordinate.ndim != 1:
                found = f"{key} along {', '.join(map(str, coordinate.dims)) or 'nothing'}"
                raise UserError(where, f"a regular grid with one {axis} a row or column", found, _FIX)
            return coordinate
    raise UserError(where, f"a coordinate for {axis}", f"dims {', '.join(map(str, field.dims))}", _FIX)
