"""Labels of places and of day: a mask (bool) and the field that it is cut from (float32), (rows, columns).

A feature may know where it is, and whether the sun shines there, without knowing the weather.
"""

import numpy as np
from scipy import ndimage

from aurorascope.config.thresholds import Thresholds
from aurorascope.labels.reference import Reference
from aurorascope.labels.state import GRAVITY, LabelState

Found = tuple[np.ndarray, np.ndarray]
_CELLS = 3
_AXIS_TILT, _DAYS = 23.44, 365


def sun_cosine(state: LabelState) -> np.ndarray:
    """Cosine of the sun's zenith angle, (rows, columns).

    sin(phi) sin(d) + cos(phi) cos(d) cos(H), with d = 23.44 degrees x sin(2 pi (284 + n) / 365) on day n of the year and
    H = 15 degrees x (hours UTC + lon / 15 - 12).
    """
    time = state.now.time
    midnight = time.astype("datetime64[D]")
    hours = (time.astype("datetime64[h]") - midnight) / np.timedelta64(1, "h")
    day_of_year = (midnight - midnight.astype("datetime64[Y]")) / np.timedelta64(1, "D") + 1
    tilt = np.deg2rad(_AXIS_TILT * np.sin(2 * np.pi * (284 + day_of_year) / _DAYS))
    hour_angle = np.deg2rad(15 * (hours + state.place.lon / 15 - 12))
    phi = np.deg2rad(state.place.lat)[:, None]
    return np.sin(phi) * np.sin(tilt) + np.cos(phi) * np.cos(tilt) * np.cos(hour_angle)[None, :]


def day(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Where the sun is up."""
    cosine = sun_cosine(state).astype(np.float32)
    return cosine > thresholds.day_cosine, cosine


def _is_land(state: LabelState, thresholds: Thresholds) -> np.ndarray:
    return state.place.static["lsm"] >= thresholds.land_share


def land(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Cells with mostly land."""
    return _is_land(state, thresholds), state.place.static["lsm"].astype(np.float32)


def coast(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Cells with land and sea among the 3 x 3 about them, which is a token's size; the field is the share of land there."""
    is_land = _is_land(state, thresholds)
    number = is_land.astype(np.int64)
    for axis, beyond in enumerate(("nearest", "wrap")):
        number = ndimage.correlate1d(number, np.ones(_CELLS, np.int64), axis, mode=beyond)
    return (number > 0) & (number < _CELLS**2), (number / _CELLS**2).astype(np.float32)


def high_ground(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """High orography; the field is its height in m."""
    height = (state.place.static["z"] / GRAVITY).astype(np.float32)
    return height > thresholds.high_ground_m, height


def city(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """The strongest static emissions of nitrogen oxides."""
    emission = state.place.static["static_nox"].astype(np.float32)
    return emission >= reference.values["city_nox"], emission
