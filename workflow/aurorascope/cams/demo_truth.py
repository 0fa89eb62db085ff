"""What the demo's atmosphere was made of: where dust, smoke, cities, jets and lows are, for labels to be scored against.

A plume's mask is where it gives at least half of the cell's PM10, or, for smoke and cities, of its carbon monoxide at
1000 hPa; a jet's is wind of 30 m/s and more at 250 hPa; a low's is where sea-level pressure is 10 hPa and more below its
latitude's mean. Strengths are the PM10 that a plume gives, before the heavy tails are bounded, the wind, and the depth.
Objects are connected cells, across corners and across the first meridian, numbered from 1 at each time. Masks that users
bring have the same format.
"""

import datetime
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from aurorascope.cams import demo
from aurorascope.cams.variables import LEVELS
from aurorascope.files import write_bytes
from aurorascope.sphere import connected

# Each phenomenon with what its strength is and its unit.
STRENGTHS = {
    "dust": ("PM10 of the plumes", "kg m-3"),
    "smoke": ("PM10 of the plumes", "kg m-3"),
    "city": ("PM10 of the plumes", "kg m-3"),
    "jet": ("wind speed at 250 hPa", "m s-1"),
    "low": ("depth of sea-level pressure below its latitude's mean", "Pa"),
}
_SHARE, _WIND, _DEPTH = 0.5, 30.0, 1000.0


def demo_truth(times: Sequence[datetime.datetime], lat: np.ndarray, lon: np.ndarray) -> xr.Dataset:
    """Masks, strengths and objects of every phenomenon at some times of the demo's atmosphere.

    Args:
        times: times with a zone.
        lat: degrees north, shape (rows,).
        lon: degrees east, shape (columns,), the whole circle.

    Returns:
        For each id of `STRENGTHS`, `<id>` uint8, `<id>_strength` float32 and `<id>_object` uint16, dims time, latitude,
        longitude; times in UTC without a zone.
    """
    lat, lon = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
    found = [_at(demo.days_of(time), lat, lon) for time in times]
    dims, variables = ("time", "latitude", "longitude"), {}
    for name, (strength, units) in STRENGTHS.items():
        masks = np.stack([each[name][0] for each in found])
        variables[name] = (dims, masks.astype(np.uint8), {"long_name": f"{name}: where it is"})
        strengths = np.stack([each[name][1] for each in found]).astype(np.float32)
        variables[f"{name}_strength"] = (dims, strengths, {"long_name": f"{name}: {strength}", "units": units})
        objects = np.stack([connected(mask) for mask in masks])
        variables[f"{name}_object"] = (dims, objects, {"long_name": f"{name}: number of the object, 0 for none"})
    naive = np.array([time.astimezone(datetime.UTC).replace(tzinfo=None) for time in times], "datetime64[ns]")
    return xr.Dataset(variables, coords={"time": naive, "latitude": lat, "longitude": lon})


def write_truth(path: Path, times: Sequence[datetime.datetime], lat: np.ndarray, lon: np.ndarray) -> None:
    """Write `demo_truth` as NetCDF-4, which has the integers that it needs; the same arguments give the same bytes."""
    # By way of a real file: a NetCDF made in memory holds the time of its making, one made on disk does not.
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "truth.nc"
        data = demo_truth(times, lat, lon)
        encoding = {name: {"zlib": True, "complevel": 1, "_FillValue": None} for name in data.data_vars}
        since = {"units": "seconds since 1970-01-01", "calendar": "proleptic_gregorian", "dtype": "int64"}
        data.to_netcdf(made, engine="netcdf4", encoding={**encoding, "time": since})
        write_bytes(path, made.read_bytes())


def _at(days: float, lat: np.ndarray, lon: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Mask and strength of each phenomenon, each (rows, columns)."""
    air, puffs, fields = demo.ingredients(days, lat, lon)
    zero = np.zeros((len(lat), len(lon)))
    fine = {"city": demo.CITY_PM * puffs["pm"]["city"][0], "smoke": demo.FIRE_PM * puffs["pm"]["fire"][0]}
    pm10 = {name: demo.particle_sizes(part, 0.0, zero)["pm10"] for name, part in fine.items()}
    pm10["dust"] = demo.particle_sizes(zero, 0.0, demo.DUST_PM * puffs["pm"]["dust"][0])["pm10"]
    is_half = {name: part >= _SHARE * fields["pm10"] * demo.UNITS["pm10"] for name, part in pm10.items()}
    for name, kind in (("city", "city"), ("smoke", "fire")):
        near = demo.profile(*puffs["co"][kind], np.zeros((len(LEVELS), 1, 1)))[-1]
        is_half[name] = is_half[name] | (near >= _SHARE * fields["co"][-1])
    found = {name: (is_half[name], part) for name, part in pm10.items()}
    level = LEVELS.index(250)
    speed = np.hypot(air["u"][level], air["v"][level])
    pressure = demo.sea_level_pressure(air["z"][-1])
    depth = pressure.mean(axis=1, keepdims=True) - pressure
    return found | {"jet": (speed >= _WIND, speed), "low": (depth >= _DEPTH, depth)}
