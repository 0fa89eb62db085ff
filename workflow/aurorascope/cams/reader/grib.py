"""Fields of a GRIB file, message by message, so that nothing is merged, dropped or read through an old index.

cfgrib and earthkit-data build hypercubes, and of two messages for one place they keep one without a word; with a file
of messages there is no such choice to make. eccodes comes with the extra `grib`.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aurorascope.cams.axes import exact_latitudes, exact_longitudes
from aurorascope.cams.names import identify
from aurorascope.cams.reader.pieces import Found, Piece
from aurorascope.cams.units import conversion
from aurorascope.errors import UserError

_PRESSURE = {"isobaricInhPa": 1, "isobaricInPa": 100}
# Levels that a surface field may be said to lie on.
_SURFACE = {"surface", "heightAboveGround", "meanSea", "entireAtmosphere", "atmosphere", "unknown", "nominalTop"}
# Of paramIds whose quantity is another than the table's.
_UNITS = {156: "gpm"}
# Degrees: edition 1 has whole thousandths, which a grid of 2/3 degrees is not in.
_ROUNDING = {1: 1e-3}
_FIX = "write the field on a regular latitude-longitude grid, or take it out of cams.directory"


def _eccodes(where: str) -> Any:
    try:
        import eccodes
    except (ImportError, RuntimeError) as error:
        raise UserError(
            where, "the package eccodes, to read GRIB", str(error)[:200], "python -m pip install 'eccodes==2.50.0'"
        ) from None
    return eccodes


@contextlib.contextmanager
def _readable(where: str, eccodes: Any) -> Iterator[None]:
    try:
        yield
    except (eccodes.CodesInternalError, OSError, EOFError) as error:
        text = " ".join(str(error).split())[:200]
        raise UserError(where, "a readable GRIB file", text or type(error).__name__, "fetch that file again") from None


@contextlib.contextmanager
def _opened(path: Path, eccodes: Any) -> Iterator[Any]:
    """The file, without fields that eccodes has left of a message of several in a file that was open before."""
    with open(path, "rb") as file:
        eccodes.codes_grib_multi_support_reset_file(file)
        try:
            yield file
        finally:
            eccodes.codes_grib_multi_support_reset_file(file)


def read_grib(path: Path, where: str, found: Found) -> None:
    """Add the pieces, forecasts, other fields and problems of a file, which errors call `where`, to what was found.

    Raises:
        UserError: it is no readable GRIB file, or eccodes is not installed.
    """
    eccodes = _eccodes(where)
    n, place = 0, (-1, 0)
    with _readable(where, eccodes), _opened(path, eccodes) as file:
        while True:
            handle = eccodes.codes_grib_new_from_file(file)
            if handle is None:
                break
            n += 1
            try:
                message = _Message(eccodes, handle)
                offset = message.get("offset", int)
                # All fields of one message lie at its place.
                place = (offset, place[1] + 1 if offset == place[0] else 0)
                _add(message, path, where, n, place, found)
            finally:
                eccodes.codes_release(handle)
    if not n:
        raise UserError(where, "a readable GRIB file", "no message", "fetch that file again")


class _Message:
    """Keys of one message."""

    def __init__(self, eccodes: Any, handle: int) -> None:
        self.eccodes, self.handle = eccodes, handle

    def get(self, key: str, kind: type | None = None) -> Any:
        return self.eccodes.codes_get(self.handle, key, kind)

    def time(self, which: str) -> np.datetime64 | None:
        """Reference ("data") or valid ("validity") time; None where it is no date."""
        day, clock = self.get(f"{which}Date", int), self.get(f"{which}Time", int)
        date = f"{day // 10000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"
        try:
            # Other years do not fit into nanoseconds and wrap around.
            return np.datetime64(f"{date}T{clock // 100:02d}:{clock % 100:02d}", "ns") if 1800 < day // 10000 < 2200 else None
        except ValueError:
            return None


def _add(message: _Message, path: Path, file: str, number: int, place: tuple[int, int], found: Found) -> None:
    # A paramId is known of all messages and decides; names and units, which follow from it, take a millisecond each.
    kind_of_level, param = message.get("typeOfLevel", str), message.get("paramId", int)
    is_level = kind_of_level in _PRESSURE
    variable = None
    if is_level or kind_of_level in _SURFACE:
        variable = identify("atmos" if is_level else "surface", "", None, param or -1)
    if variable is None:
        others = found.others.setdefault(file, [])
        if (name := f"{message.get('shortName', str)} ({kind_of_level})") not in others:
            others.append(name)
        return
    level = (message.get("level", int) if kind_of_level == "isobaricInhPa" else None) if is_level else None
    where = f"{file}, message {number}, {variable.netcdf}" + (f" at {level} hPa" if level else "")
    valid, reference = message.time("validity"), message.time("data")
    if valid is None or reference is None:
        # Of a climatology, say: no time at which an analysis could be.
        found.others.setdefault(file, []).append(f"{variable.netcdf} (date {message.get('dataDate', int)})")
        return
    if reference != valid:
        found.forecasts.append((variable.netcdf, valid, where))
        return
    try:
        if is_level and level is None:
            level = _pascals(message, where)
        step = message.get("stepType", str)
        if step != "instant":
            raise UserError(where, "values at an instant", f"stepType {step}", "take the analysis, not a mean or sum over time")
        latitude, longitude = _axes(message, where)
        rounding = _ROUNDING.get(message.get("edition", int), 0.0)
        found.pieces.append(
            Piece(
                variable, where, (valid,), () if level is None else (level,), exact_latitudes(latitude, where, rounding),
                exact_longitudes(longitude, where, rounding), conversion(variable, _UNITS.get(param, variable.units), where),
                _Load(path, place, where, level is not None, (len(latitude), len(longitude))),
            )
        )
    except UserError as error:
        found.problems.append((variable.netcdf, frozenset([valid]), error))


def _pascals(message: _Message, where: str) -> int:
    level = message.get("level", int) / _PRESSURE["isobaricInPa"]
    if level != int(level):
        raise UserError(where, "levels of whole hPa", f"{level:g} hPa", "take the levels that cams.levels names")
    return int(level)


def _axes(message: _Message, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Latitudes and longitudes in the order of the message's values."""
    grid = message.get("gridType", str)
    if grid != "regular_ll":
        raise UserError(where, "a regular latitude-longitude grid (regular_ll)", grid, _FIX)
    if message.get("jPointsAreConsecutive", int) or message.get("alternativeRowScanning", int):
        raise UserError(where, "values row by row, all in one direction", "another scanning mode", _FIX)
    ends = {key: message.get(f"{key}GridPointInDegrees", float) for key in (
        "latitudeOfFirst", "latitudeOfLast", "longitudeOfFirst", "longitudeOfLast",
    )}
    first, last = ends["longitudeOfFirst"], ends["longitudeOfLast"]
    if message.get("iScansNegatively", int):
        first += 360.0 * (first < last)
    else:
        last += 360.0 * (last < first)
    rows, columns = message.get("Nj", int), message.get("Ni", int)
    return np.linspace(ends["latitudeOfFirst"], ends["latitudeOfLast"], rows), np.linspace(first, last, columns)


class _Load:
    """Loads the one slice of a message, `pieces.Load`, from where it was found: an offset, and which field of that message."""

    def __init__(self, path: Path, place: tuple[int, int], where: str, has_level: bool, shape: tuple[int, int]) -> None:
        self._path, self._place, self._where = path, place, where
        self._shape = (1,) * (1 + has_level) + shape

    def __call__(self, times: Sequence[int], levels: Sequence[int]) -> np.ndarray:
        eccodes, (offset, n_before) = _eccodes(self._where), self._place
        with _readable(self._where, eccodes), _opened(self._path, eccodes) as file:
            file.seek(offset)
            for _ in range(n_before):
                eccodes.codes_release(eccodes.codes_grib_new_from_file(file))
            handle = eccodes.codes_grib_new_from_file(file)
            try:
                # A value that the bitmap leaves out is given as this one, which no field of ours can hold.
                eccodes.codes_set(handle, "missingValue", 1e300)
                values = eccodes.codes_get_array(handle, "values")
            finally:
                eccodes.codes_release(handle)
        return np.where(values == 1e300, np.nan, values).reshape(self._shape)
