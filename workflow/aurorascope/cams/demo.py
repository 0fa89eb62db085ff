"""The demo's idealised atmosphere: the 22 variables of a state as a pure function of time, grid and levels.

It stands in for CAMS where there is neither key nor network. It is not a model of the atmosphere, but it has what the
rest of the workflow needs to be tried on: waves, fronts of humidity, a daily and a yearly cycle, plumes that the wind
carries, magnitudes like Aurora's statistics, and days that differ.
"""

import datetime
import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from aurorascope.cams.demo_files import day_zip
from aurorascope.cams.demo_flow import DAY, flow, season, table
from aurorascope.cams.demo_land import demo_static, land_fraction, orography
from aurorascope.cams.demo_plumes import plumes
from aurorascope.cams.variables import ATMOS, LEVELS, SURFACE
from aurorascope.files import write_bytes

__all__ = ["demo_state", "demo_static", "write_demo_day"]

_EPOCH = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
_PRESSURE = np.array(LEVELS, float)[:, None, None]
_GAS, _GRAVITY, _TOP = 287.0, 9.80665, 14.0

# How much of each level feels the ground's warmth, what stays near the ground, and what is lifted; shape (13,).
_GROUND = table(0, 0, 0, 0, 0, 0, 0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9)
_LOW = table(0, 0, 0, 0, 0.02, 0.04, 0.08, 0.15, 0.3, 0.5, 0.9, 1.1, 1.2)
_HIGH = table(0.02, 0.1, 0.3, 0.6, 0.8, 1, 1.1, 1.1, 1, 0.8, 0.4, 0.25, 0.2)
_ABOVE = table(1, 1, 0.9, 0.6, 0.35, 0.2, 0.1, 0.05, 0.03, 0.02, 0, 0, 0)

_MOIST = table(0.5, 0.5, 0.5, 0.4, 0.4, 0.4, 0.45, 0.5, 0.6, 0.7, 0.9, 1, 1.1)

# What a plume near the ground is worth in particles, and the size of Aurora's unit of each field at the surface.
CITY_PM, FIRE_PM, DUST_PM = 1.5, 2.0, 2.0
UNITS = {v.netcdf: v.stats()[1] for v in SURFACE}

# Tracer, kind of source, life and lifting time in days: two plumes a tracer and source, near the ground and lifted.
_TRACERS = (
    ("co", "city", 3.0), ("co", "fire", 3.5), ("no", "city", 0.35), ("no2", "city", 0.9), ("no2", "fire", 0.7),
    ("so2", "city", 1.4), ("pm", "city", 1.8), ("pm", "fire", 2.2), ("pm", "dust", 2.5),
)


def _sun(days: float, lat: np.ndarray, lon: np.ndarray, lag_hours: float = 0.0) -> np.ndarray:
    """Cosine of the sun's zenith angle, 0 at night, shape (rows, columns)."""
    tilt = np.deg2rad(23.4 * season(days - 23.0))
    hour = 2 * np.pi * (days % 1 - 0.5 - lag_hours / 24) + np.deg2rad(lon)
    lat = np.deg2rad(lat)[:, None]
    return np.clip(np.sin(lat) * np.sin(tilt) + np.cos(lat) * np.cos(tilt) * np.cos(hour)[None, :], 0, None)


def _saturation(t: np.ndarray, pressure: np.ndarray) -> np.ndarray:
    """Specific humidity at saturation, kg/kg."""
    t = np.clip(t, 180, 315)
    return 0.622 * 611.2 * np.exp(17.67 * (t - 273.15) / (t - 29.65)) / (pressure * 100)


def _humidity(days: float, lat: np.ndarray, t: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Specific humidity, kg/kg, (13, rows, columns): moist where air comes from the equator, dry above 160 hPa."""
    poleward = np.tanh(v * np.tanh(lat / 15)[:, None] / 9)
    belt = np.exp(-(((lat - 6 * season(days)) / 12) ** 2))[:, None]
    relative = np.clip(0.42 + 0.25 * poleward + 0.28 * belt, 0.05, 0.95)
    scale = np.array([v.stats(level) for v in ATMOS if v.netcdf == "q" for level in LEVELS])
    aloft = scale[:, :1, None] + scale[:, 1:, None] * 0.7 * (poleward + np.sin(np.deg2rad(lat))[:, None] ** 2 - 0.5)
    blend = np.clip((np.log(_PRESSURE) - np.log(160)) / np.log(2), 0, 1)
    dry = (1 - blend) * np.maximum(aloft, scale[:, :1, None] / 3)
    return dry + blend * relative * _MOIST[:, None, None] * _saturation(t, _PRESSURE)


def _tracers(days: float, lat: np.ndarray, lon: np.ndarray) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Plumes by tracer and kind of source, each near the ground and lifted, (rows, columns)."""
    asked = [(kind, life, lift) for _, kind, life in _TRACERS for lift in (0.0, 1.5)]
    fields = plumes(days, lat, lon, asked)
    found: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for index, (tracer, kind, _) in enumerate(_TRACERS):
        found.setdefault(tracer, {})[kind] = (fields[2 * index], fields[2 * index + 1])
    return found


def trapped_plumes(days: float, lat: np.ndarray, lon: np.ndarray) -> dict[str, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Plumes by tracer ("co", "no", "no2", "so2", "pm") and kind of source, near the ground and lifted, each (rows, columns).

    By night the air near the ground does not mix, and what is emitted stays there.
    """
    puffs, trapped = _tracers(days, lat, lon), 1.6 - 1.1 * np.sqrt(_sun(days, lat, lon))
    for name, kinds in puffs.items():
        # Nitrogen monoxide turns into dioxide in the dark, so that daylight is all its day and night.
        near = 1 if name == "no" else trapped
        puffs[name] = {kind: (low * near, high) for kind, (low, high) in kinds.items()}
    return puffs


def profile(low: np.ndarray, high: np.ndarray, base: np.ndarray) -> np.ndarray:
    """A tracer in units of Aurora's scale, (13, rows, columns), from its plumes and its background (13, rows, 1)."""
    return base + _LOW[:, None, None] * 4 * low + _HIGH[:, None, None] * 7 * high


def composition(
    days: float, lat: np.ndarray, lon: np.ndarray, air: dict[str, np.ndarray],
    puffs: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]],
) -> dict[str, np.ndarray]:
    """Composition by its names in NetCDF, in units of Aurora's scale, before heavy tails are bounded.

    Args:
        days: time since 1 January 2000, UTC.
        lat: degrees north, shape (rows,).
        lon: degrees east, shape (columns,).
        air: the `flow` of that time.
        puffs: its `trapped_plumes`.

    Returns:
        Five gases of (13, rows, columns); their columns and particles of (rows, columns).
    """
    sun, north = _sun(days, lat, lon), np.sin(np.deg2rad(lat))
    total = {name: tuple(sum(pair[i] for pair in kinds.values()) for i in (0, 1)) for name, kinds in puffs.items()}
    # Waves lift and lower the tropopause: where the geopotential is low, stratospheric air reaches down.
    descent = np.tanh((air["z"].mean(-1, keepdims=True) - air["z"]) / 1500)
    pole = (north**2)[:, None]
    day = 0.25 + 0.75 * np.sqrt(sun)
    spread = _ABOVE[:, None, None]
    mixed = 1 - spread
    aloft = spread * (1 - 0.35 * descent)
    gases = {
        "co": profile(*total["co"], (0.12 + 0.08 * north[:, None]) * mixed + 0.6 * aloft * (1.1 - pole)),
        "no": profile(*(6 * part for part in total["no"]), 0.05 * mixed + aloft * (0.7 - 0.3 * pole)) * day,
        "no2": profile(*total["no2"], 0.06 * mixed + aloft * (0.6 + 0.4 * pole)) * (1.3 - 0.6 * np.sqrt(sun)),
        "so2": profile(*total["so2"], 0.05 * mixed + 0.6 * aloft),
        "go3": spread * (0.7 + 0.15 * pole * season(days) * north[:, None] + (0.1 + 0.5 * pole) * descent)
        + mixed * (0.4 + 0.15 * north[:, None] * season(days) + 0.25 * descent + 0.3 * total["no2"][1]),
    }
    gases = {name: np.maximum(field, 0.01) for name, field in gases.items()}
    weight = np.diff(np.concatenate([[0.0], (_PRESSURE[:, 0, 0][1:] + _PRESSURE[:, 0, 0][:-1]) / 2, [1013.0]])) / 1013
    columns = {"co": "tcco", "no": "tc_no", "no2": "tcno2", "so2": "tcso2"}
    gases |= {column: np.einsum("l,lhw->hw", weight, gases[gas]) for gas, column in columns.items()}
    gases["gtco3"] = 0.15 + 0.6 * gases["go3"][:4].mean(0) + 0.12 * pole
    return gases | _particles(puffs["pm"], air, land_fraction(lat, lon))


def _particles(
    puffs: dict[str, tuple[np.ndarray, np.ndarray]], air: dict[str, np.ndarray], land: np.ndarray
) -> dict[str, np.ndarray]:
    """PM1, PM2.5 and PM10 in units of Aurora's scale, (rows, columns): each holds the finer one."""
    fine = 0.08 + CITY_PM * puffs["city"][0] + FIRE_PM * puffs["fire"][0]
    salt = (1 - land) * np.minimum((air["u"][-1] ** 2 + air["v"][-1] ** 2) / 200, 3)
    sizes = particle_sizes(fine, salt, DUST_PM * puffs["dust"][0])
    return {name: size / UNITS[name] for name, size in sizes.items()}


def particle_sizes(fine: np.ndarray, salt: np.ndarray | float, dust: np.ndarray) -> dict[str, np.ndarray]:
    """PM1, PM2.5 and PM10, kg m-3, of fine particles, sea salt and dust: a sum over the three."""
    pm1 = UNITS["pm1"] * (fine + 0.15 * dust)
    pm2p5 = pm1 + UNITS["pm2p5"] * (0.2 * fine + 0.15 * salt + 0.5 * dust)
    return {"pm1": pm1, "pm2p5": pm2p5, "pm10": pm2p5 + UNITS["pm10"] * (0.1 * fine + 0.35 * salt + 1.2 * dust)}


def sea_level_pressure(z_yx: np.ndarray) -> np.ndarray:
    """Pa, of the geopotential at 1000 hPa, m2 s-2."""
    return 1e5 * np.exp(z_yx / (_GAS * 285))


def days_of(time: datetime.datetime) -> float:
    """Days since 1 January 2000, UTC, of a time with a zone."""
    return (time - _EPOCH).total_seconds() / DAY


# A state and its planted truth are made one after the other, of the same.
@functools.lru_cache(maxsize=2)
def _ingredients(days: float, lat: tuple[float, ...], lon: tuple[float, ...]) -> tuple[dict, dict, dict]:
    rows, columns = np.array(lat), np.array(lon)
    air, puffs = flow(days, rows, columns), trapped_plumes(days, rows, columns)
    return air, puffs, composition(days, rows, columns, air, puffs)


def ingredients(
    days: float, lat: np.ndarray, lon: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, tuple[np.ndarray, np.ndarray]]], dict[str, np.ndarray]]:
    """The `flow`, the `trapped_plumes` and the `composition` of one time; arrays that others may be given, too."""
    air, puffs, scaled = _ingredients(days, tuple(lat.tolist()), tuple(lon.tolist()))
    return dict(air), dict(puffs), dict(scaled)


def _fields(days: float, lat: np.ndarray, lon: np.ndarray) -> dict[str, np.ndarray]:
    """All 22 variables on all 13 levels, in the files' units."""
    (air, _, scaled), land = ingredients(days, lat, lon), land_fraction(lat, lon)
    north, sun = np.sin(np.deg2rad(lat))[:, None], _sun(days, lat, lon, lag_hours=2.0)
    warmth = (2 + 11 * land) * (sun - 0.28) + 6 * land * season(days) * north
    air["t"] = air["t"] + _GROUND[:, None, None] * warmth
    mean_sea = sea_level_pressure(air["z"][-1])
    turn, drag = np.sign(lat)[:, None] * np.deg2rad(18 + 10 * land), 0.85 - 0.3 * land
    u, v = air["u"][-1], air["v"][-1]
    fields = air | {
        "q": _humidity(days, lat, air["t"], air["v"]),
        "msl": mean_sea,
        "t2m": air["t"][-1] + 0.3 * warmth - 0.004 * orography(lat, lon) / _GRAVITY,
        "u10": drag * (u * np.cos(turn) - v * np.sin(turn)),
        "v10": drag * (v * np.cos(turn) + u * np.sin(turn)),
    }
    for variable in SURFACE + ATMOS:
        if variable.composition:
            scale = np.array(list(variable.scale.values()))
            # Heavy tails, but no heavier than what validation calls usual.
            bounded = scaled[variable.netcdf] / np.sqrt(1 + (scaled[variable.netcdf] / _TOP) ** 2)
            fields[variable.netcdf] = bounded * (scale if None in variable.scale else scale[:, None, None])
    return fields


def demo_state(time: datetime.datetime, lat: np.ndarray, lon: np.ndarray, levels: Sequence[int]) -> xr.Dataset:
    """One state of the idealised atmosphere.

    Args:
        time: time with a zone.
        lat: degrees north, shape (rows,).
        lon: degrees east, shape (columns,).
        levels: hPa, some of Aurora's 13, in any order.

    Returns:
        The 22 variables under their NetCDF names and units, float32, dims (level,) latitude, longitude; levels as
        given.

    Raises:
        ValueError: the time has no zone, or a level is not one of the 13.
    """
    if time.tzinfo is None:
        raise ValueError("the time must have a zone")
    rows = [LEVELS.index(int(level)) for level in levels]
    lat, lon = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
    fields = _fields(days_of(time), lat, lon)
    plane = ("latitude", "longitude")
    variables = {v.netcdf: (plane, fields[v.netcdf].astype(np.float32), {"units": v.units}) for v in SURFACE}
    for v in ATMOS:
        variables[v.netcdf] = (("level", *plane), fields[v.netcdf][rows].astype(np.float32), {"units": v.units})
    return xr.Dataset(variables, coords={"level": [int(level) for level in levels], "latitude": lat, "longitude": lon})


def times_of(date: str, hours: Sequence[int]) -> list[datetime.datetime]:
    """Times of some hours of a date, UTC, each once, in order."""
    midnight = datetime.datetime.combine(datetime.date.fromisoformat(date), datetime.time(), datetime.UTC)
    return [midnight + datetime.timedelta(hours=int(hour)) for hour in sorted(set(hours))]


def write_demo_day(
    date: str, hours: Sequence[int], lat: np.ndarray, lon: np.ndarray, levels: Sequence[int], path: Path | str
) -> None:
    """Write one day as the Atmosphere Data Store would answer a `netcdf_zip` request for it.

    Args:
        date: `YYYY-MM-DD`, UTC.
        hours: hours of the states, UTC.
        lat: degrees north, shape (rows,).
        lon: degrees east, shape (columns,).
        levels: hPa, some of Aurora's 13.
        path: the zip, written atomically; the same arguments give the same bytes.
    """
    times = times_of(date, hours)
    downwards = sorted({int(level) for level in levels}, reverse=True)
    write_bytes(path, day_zip(times, [demo_state(time, lat, lon, downwards) for time in times]))
