"""One day out of what was found: each variable, time and level exactly once, on one grid, or an error that says why not."""

from collections.abc import Iterable, Sequence

import numpy as np
import xarray as xr

from aurorascope.cams.reader.pieces import Found, Piece
from aurorascope.cams.variables import ATMOS, SURFACE, Variable
from aurorascope.errors import UserError

_TWICE = "leave one of the two out of what cams.directory names"
# What was asked for and where it is.
_Wanted = tuple[Variable, np.datetime64, int | None]


def gather(
    found: Found, times: Sequence[np.datetime64], levels: Sequence[int], where: object, fix: str
) -> tuple[xr.Dataset, list[str], list[str]]:
    """The canonical day.

    Args:
        found: what the day's files hold.
        times: UTC times of the states, datetime64[ns].
        levels: levels, hPa, ascending.
        where: what messages call the source.
        fix: what messages advise where something is missing.

    Returns:
        The 22 variables under their NetCDF names, float32, in memory, in the table's units, dims (time, [level,] latitude,
        longitude), on exact axes; what was converted or turned around; and what was taken to be so, or left out.

    Raises:
        UserError: a variable, time or level is missing, there twice with different values, or not to be read as it is, or
            the fields lie on several grids.
    """
    for _, at, error in found.problems:
        if not at or at & set(times):
            raise error
    holders = _holders(found.pieces, times, levels)
    try:
        for part in (SURFACE, ATMOS):
            _check_all_there(found, part, holders, times, levels, where, fix)
    except UserError:
        if found.broken:
            # Where what is missing may be.
            raise found.broken[0] from None
        raise
    first = next(iter(holders.values()))[0]
    for pieces in holders.values():
        for piece in pieces:
            _check_grid(first, piece)
    coords = {
        "time": np.array(times, "datetime64[ns]"),
        "level": ("level", np.array(levels, np.int64), {"units": "hPa"}),
        "latitude": ("latitude", first.latitude.exact, {"units": "degrees_north"}),
        "longitude": ("longitude", first.longitude.exact, {"units": "degrees_east"}),
    }
    fields = {}
    for v in SURFACE + ATMOS:
        dims = ("time", *["level"] * (v.kind == "atmos"), "latitude", "longitude")
        fields[v.netcdf] = (dims, _values(v, holders, times, levels, first), {"units": v.units})
    unread = [f"{error.where} cannot be read, and nothing is missing without it" for error in found.broken]
    return xr.Dataset(fields, coords), _said(holders), [*_without_units(holders), *unread]


def _holders(pieces: Iterable[Piece], times: Sequence[np.datetime64], levels: Sequence[int]) -> dict[_Wanted, list[Piece]]:
    wanted, holders = (set(times), set(levels)), {}
    for piece in pieces:
        for time in piece.times:
            if time not in wanted[0]:
                continue
            for level in piece.levels or (None,):
                if level is None or level in wanted[1]:
                    holders.setdefault((piece.variable, time, level), []).append(piece)
    return holders


def _check_all_there(
    found: Found, variables: Sequence[Variable], holders: dict[_Wanted, list[Piece]], times: Sequence[np.datetime64],
    levels: Sequence[int], where: object, fix: str,
) -> None:
    wanted = {v: [(v, t, p) for t in times for p in (levels if v.kind == "atmos" else (None,))] for v in variables}
    have = {piece.variable for piece in found.pieces}
    forecast = {name for name, *_ in found.forecasts}
    missing = [v.netcdf for v in variables if v not in have and v.netcdf not in forecast]
    if missing:
        others = "; ".join(f"{file}: {', '.join(names[:12])}" for file, names in list(found.others.items())[:4])
        expected = f"variables {', '.join(v.netcdf for v in variables)}"
        raise UserError(
            where, expected, f"none named {', '.join(missing)}" + (f" (other fields, by paramId, standard name, name or levels: {others})" if others else ""), fix
        )
    for v, keys in wanted.items():
        lost = [key for key in keys if key not in holders]
        if not lost:
            continue
        pieces = [piece for piece in found.pieces if piece.variable is v]
        absent = [t for t in times if all(t not in piece.times for piece in pieces)]
        if absent:
            raise UserError(where, f"{v.netcdf}, the states {_times(absent)} UTC", _what_times(found, v, pieces, absent), fix)
        hpa = sorted({level for _, _, level in lost if level is not None})
        there = sorted({level for piece in pieces for level in piece.levels})
        raise UserError(
            where, f"{v.netcdf}, the levels {', '.join(map(str, hpa))} hPa",
            f"only {', '.join(map(str, there[:40]))} at {_times(sorted({time for _, time, _ in lost}))}", fix,
        )


def _what_times(found: Found, v: Variable, pieces: list[Piece], absent: list[np.datetime64]) -> str:
    forecasts = [place for name, time, place in found.forecasts if name == v.netcdf and time in set(absent)]
    if forecasts:
        return f"only forecasts of these times, which are no analyses ({forecasts[0]})"
    times = sorted({time for piece in pieces for time in piece.times})
    near = sorted(times, key=lambda time: (abs(time - absent[0]), time))[:8]
    if not near:
        return "only forecasts, of other times"
    return _times(sorted(near)) + (f" and {len(times) - len(near)} more" if len(times) > len(near) else "")


def _times(times: Iterable[np.datetime64]) -> str:
    return ", ".join(str(time)[:16] for time in times)


def _check_grid(first: Piece, piece: Piece) -> None:
    for name in ("latitude", "longitude"):
        mine, theirs = (getattr(each, name).exact for each in (piece, first))
        if not np.array_equal(mine, theirs):
            found = f"{len(mine)} from {mine[0]:g} to {mine[-1]:g} where {first.where} has {len(theirs)} from {theirs[0]:g}"
            raise UserError(piece.where, f"the same {name} in all fields", found, "interpolate one of the two to the other's grid")


def _values(
    v: Variable, holders: dict[_Wanted, list[Piece]], times: Sequence[np.datetime64], levels: Sequence[int], first: Piece
) -> np.ndarray:
    """A variable's values, each piece read once."""
    shape = (len(first.latitude.exact), len(first.longitude.exact))
    places = list(levels) if v.kind == "atmos" else [None]
    pieces = list({id(p): p for t in times for level in places for p in holders[v, t, level]}.values())
    if len(pieces) == 1:
        return pieces[0].values(times, levels if v.kind == "atmos" else ())
    values = np.full((len(times), len(places), *shape), np.nan, np.float32)
    filled: dict[tuple[int, int], Piece] = {}
    for piece in pieces:
        mine_t = [i for i, t in enumerate(times) if t in piece.times]
        mine_p = [j for j, p in enumerate(places) if p is None or p in piece.levels]
        block = piece.values([times[i] for i in mine_t], [places[j] for j in mine_p] if v.kind == "atmos" else ())
        block = block.reshape(len(mine_t), len(mine_p), *shape)
        for a, i in enumerate(mine_t):
            for b, j in enumerate(mine_p):
                if (i, j) in filled:
                    _check_same(values[i, j], block[a, b], filled[i, j], piece, times[i], places[j])
                values[i, j], filled[i, j] = block[a, b], piece
    return values if v.kind == "atmos" else values[:, 0]


def _check_same(
    one: np.ndarray, other: np.ndarray, first: Piece, second: Piece, time: np.datetime64, level: int | None
) -> None:
    """A field that is there twice, a zip and what was unpacked from it say, must be there with the same values."""
    if not np.array_equal(one, other, equal_nan=True):
        at = f"{str(time)[:16]} UTC" + (f", {level} hPa" if level else "")
        raise UserError(second.where, f"one field of {second.variable.netcdf} at {at}", f"another one in {first.where}", _TWICE)


def _said(holders: dict[_Wanted, list[Piece]]) -> list[str]:
    """What was converted and turned around, each once."""
    said: dict[str, None] = {}
    for (v, _, _), pieces in holders.items():
        for piece in pieces:
            if piece.conversion.convert is not None:
                said[f"{v.netcdf} converted from {piece.conversion.units} to {v.units}"] = None
            for name in ("latitude", "longitude"):
                if (turned := getattr(piece, name).said) is not None:
                    said[f"{name}s {turned}"] = None
    return list(said)


def _without_units(holders: dict[_Wanted, list[Piece]]) -> list[str]:
    names = list(dict.fromkeys(v.netcdf for (v, _, _), held in holders.items() for piece in held if piece.conversion.units is None))
    if not names:
        return []
    return [f"no units attribute, taken to be in Aurora's: {'all variables' if len(names) == len(SURFACE + ATMOS) else ', '.join(names)}"]
