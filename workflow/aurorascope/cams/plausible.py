"""Which values a field can have: refused outside a hard range, listed outside a usual one.

Hard ranges are those of the Earth's atmosphere with room to spare (records: 184 K at the ground, 870 and 1084 hPa), so that
a fill value, another unit or another variable is outside. Usual ranges are Aurora's own statistics, 15 scales wide.
"""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from aurorascope.cams.variables import ATMOS, SURFACE, Variable
from aurorascope.errors import UserError

_SPREADS = 15
# Geopotential tells metres from m2 s-2 only level by level; extremes of the reanalyses are within 6 scales.
_SPREADS_OF_Z = 12
# Of a variable's largest scale: what packing and spectral truncation leave below zero.
_NEGATIVE = 1e-3
_FILLS = (-999.0, -9999.0, 9999.0, -32767.0, -32768.0, 1e20)

# (least, most) in the table's units; None: a little below zero, see `hard_range`.
_HARD: Mapping[str, tuple[float | None, float]] = {
    "t2m": (150, 350), "u10": (-150, 150), "v10": (-150, 150), "msl": (80_000, 115_000),
    "pm1": (None, 0.01), "pm2p5": (None, 0.01), "pm10": (None, 0.01),
    "tcco": (None, 1), "tc_no": (None, 0.1), "tcno2": (None, 0.1), "gtco3": (None, 0.05), "tcso2": (None, 1),
    "t": (120, 360), "u": (-250, 250), "v": (-250, 250), "q": (None, 0.08),
    "co": (None, 0.01), "no": (None, 0.01), "no2": (None, 0.01), "go3": (None, 1e-4), "so2": (None, 0.01),
}


def hard_range(variable: Variable, level: int | None) -> tuple[float, float]:
    """Least and greatest value that is accepted, in the table's units."""
    if variable.netcdf == "z":
        loc, scale = variable.stats(level)
        return loc - _SPREADS_OF_Z * scale, loc + _SPREADS_OF_Z * scale
    low, high = _HARD[variable.netcdf]
    return (-_NEGATIVE * max(variable.scale.values()) if low is None else low), high


def usual_range(variable: Variable, level: int | None) -> tuple[float, float]:
    """Least and greatest value that goes without saying, in the table's units."""
    loc, scale = variable.stats(level)
    is_positive = _HARD.get(variable.netcdf, (0.0,))[0] is None
    return 0.0 if is_positive else loc - _SPREADS * scale, loc + _SPREADS * scale


def check_values(day: xr.Dataset, where: object, fix: str) -> list[str]:
    """Refuse what cannot be in a canonical day; describe what is unusual.

    Returns:
        One phrase for each variable and level whose values are outside the usual range or all the same.

    Raises:
        UserError: a field holds NaN, infinity or values outside its hard range.
    """
    unusual = []
    for variable in SURFACE + ATMOS:
        field = day[variable.netcdf]
        for index, level in enumerate(day["level"].values.tolist() if variable.kind == "atmos" else [None]):
            part = field.values if level is None else field.values[:, index]
            phrase = _check_level(part, variable, level, day, where, fix)
            if phrase:
                unusual.append(phrase)
    return unusual


def farthest(day: xr.Dataset) -> str:
    """The field of states, dims (time, [level,] latitude, longitude), that reaches farthest from Aurora's statistics, in words."""
    reached = []
    for variable in SURFACE + ATMOS:
        for index, level in enumerate(day["level"].values.tolist() if variable.kind == "atmos" else [None]):
            values = day[variable.netcdf].values
            part = values if level is None else values[:, index]
            loc, scale = variable.stats(level)
            off = np.abs(part.astype(np.float64) - loc) / scale
            t = int(np.unravel_index(int(off.argmax()), off.shape)[0])
            name = variable.netcdf if level is None else f"{variable.netcdf} at {level} hPa"
            reached.append((float(off.max()), f"{name} at {str(day['time'].values[t])[:16]} UTC"))
    most, name = max(reached)
    return f"{name}, {most:.3g} scales from its mean"


def _check_level(
    part: np.ndarray, variable: Variable, level: int | None, day: xr.Dataset, where: object, fix: str
) -> str | None:
    """One variable at one level, dims (time, latitude, longitude)."""
    low, high = float(part.min()), float(part.max())
    name = variable.netcdf if level is None else f"{variable.netcdf} at {level} hPa"
    # Of NaN, minimum and maximum are NaN, too.
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = ~np.isfinite(part)
        found = f"{int(bad.sum())} of {part.size} values NaN or infinite, the first at {_place(bad, day)}"
        raise UserError(f"{where}, {name}", "finite values", found, fix)
    least, most = hard_range(variable, level)
    if low < least or high > most:
        worst = part < least if low < least else part > most
        value = low if low < least else high
        guess = "; a fill value that the file does not declare?" if abs(value) > 1e30 or value in _FILLS else ""
        found = f"{low:.4g} to {high:.4g}, outside first at {_place(worst, day)}{guess}"
        raise UserError(f"{where}, {name}", f"values within {least:.4g} to {most:.4g} {variable.units}", found, fix)
    usual = usual_range(variable, level)
    if any(float(state.min()) == float(state.max()) for state in part):
        return f"{name} {low:.3g} everywhere" if low == high else f"{name} the same value everywhere at one time"
    if low < usual[0] or high > usual[1]:
        return f"{name} {low:.3g} to {high:.3g} (usual {usual[0]:.3g} to {usual[1]:.3g})"
    return None


def _place(is_bad: np.ndarray, day: xr.Dataset) -> str:
    t, y, x = (int(i) for i in np.argwhere(is_bad)[0])
    time, lat, lon = (day[name].values[i] for name, i in (("time", t), ("latitude", y), ("longitude", x)))
    return f"{str(time)[:16]} UTC, latitude {lat:g}, longitude {lon:g}"
