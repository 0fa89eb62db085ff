"""States of a calm, clean and plain atmosphere, into which a test puts what it looks for."""

import datetime
import functools
from collections.abc import Mapping

import numpy as np
import xarray as xr
from aurorascope.cams import demo
from aurorascope.cams.grid import regular_grid
from aurorascope.cams.variables import ATMOS, LEVELS, STATIC, SURFACE
from aurorascope.config.thresholds import YEAR, Thresholds
from aurorascope.labels.all import LABELS
from aurorascope.labels.reference import Reference
from aurorascope.labels.state import LabelState

LAT, LON = regular_grid(91, 180)
TIME = np.datetime64("2022-06-09T12", "ns")
PLAIN = {"t2m": 290.0, "msl": 101000.0, "pm1": 1e-9, "pm2p5": 6e-9, "pm10": 1e-8, "tcco": 1e-3, "tcno2": 1e-6, "tcso2": 1e-6}
HEIGHT = dict(zip(LEVELS, (20600, 16200, 13600, 11800, 10400, 9200, 7200, 5600, 4200, 3000, 1500, 800, 100), strict=True))

Fields = Mapping[str, np.ndarray | float | Mapping[int, np.ndarray | float]]


def state(fields: Fields | None = None, time: np.datetime64 = TIME, lat: np.ndarray = LAT, lon: np.ndarray = LON) -> xr.Dataset:
    """A state with some fields set; of one on levels all levels, or some of them by hPa."""
    plane, data = (len(lat), len(lon)), {}
    for variable in SURFACE:
        data[variable.netcdf] = np.full(plane, PLAIN.get(variable.netcdf, 0.0))
    for variable in ATMOS:
        data[variable.netcdf] = np.zeros((len(LEVELS), *plane))
    data["t"] += 270.0
    data["z"] += np.array([HEIGHT[level] * 9.80665 for level in LEVELS])[:, None, None]
    data["q"] += 1e-6
    for name, value in (fields or {}).items():
        parts = value if isinstance(value, Mapping) else {None: value}
        for level, part in parts.items():
            data[name][... if level is None else LEVELS.index(level)] = part
    dims = ("latitude", "longitude")
    return xr.Dataset(
        {name: (("level", *dims)[3 - values.ndim :], values.astype(np.float32)) for name, values in data.items()},
        coords={"level": list(LEVELS), "latitude": lat, "longitude": lon, "time": time},
    )


def label_state_of(
    fields: Fields | None = None, before: Fields | None = None, static: Mapping[str, np.ndarray | float] | None = None,
    time: np.datetime64 = TIME, lat: np.ndarray = LAT, lon: np.ndarray = LON,
) -> LabelState:
    """A plain state with some fields set, 12 hours after another; over sea at height 0, but for land at the south pole.

    `static` may say otherwise. Without any land there is no quantile over land.
    """
    fixed = {name: np.zeros((len(lat), len(lon)), np.float32) for name in STATIC}
    fixed["lsm"][-1] = 1
    for name, value in (static or {}).items():
        fixed[name][...] = value
    earlier = state(fields if before is None else before, time - np.timedelta64(12, "h"), lat, lon)
    return LabelState.of(state(fields, time, lat, lon), earlier, fixed)


@functools.cache
def plain_reference() -> Reference:
    """The quantiles of the plain state, for labels that read none."""
    return Reference.of([label_state_of()], YEAR)


def found(name: str, given: LabelState, reference: Reference | None = None, thresholds: Thresholds = YEAR) -> tuple[np.ndarray, np.ndarray]:
    """Mask and field of a label."""
    return LABELS[name].function(given, reference or plain_reference(), thresholds)


DEMO_GRID = regular_grid(46, 90)


def demo_label_state(time: datetime.datetime) -> LabelState:
    """A state of the demo, and the one before."""
    def at(moment: datetime.datetime) -> xr.Dataset:
        return demo.demo_state(moment, *DEMO_GRID, LEVELS).assign_coords(time=np.datetime64(moment.replace(tzinfo=None), "ns"))

    return LabelState.of(at(time), at(time - datetime.timedelta(hours=12)), demo.demo_static(*DEMO_GRID))
