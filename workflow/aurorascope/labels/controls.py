"""Controls: what a feature must not be labelled with. A mask (bool) and the field it is cut from (float32), (rows, columns).

The masks are on in about half of the area, and at weekends, but for red noise, which is on in a tenth as weather is.
"""

import numpy as np

from aurorascope.config.thresholds import Thresholds
from aurorascope.labels.reference import Reference
from aurorascope.labels.state import LabelState
from aurorascope.streams import Stream, generator

Found = tuple[np.ndarray, np.ndarray]
_WAVES, _FEWEST, _MOST, _SLOPE = 64, 2.0, 24.0, -1.0


def _field(state: LabelState, values: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.asarray(values, np.float32), state.place.shape).copy()


def control_sin_lon(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """The eastern hemisphere, by the sine of longitude."""
    field = _field(state, np.sin(np.deg2rad(state.place.lon))[None, :])
    return field > 0, field


def control_cos_lon(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """The hemisphere about the first meridian, by the cosine of longitude."""
    field = _field(state, np.cos(np.deg2rad(state.place.lon))[None, :])
    return field > 0, field


def control_lat(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """The northern hemisphere; the field is latitude in degrees."""
    field = _field(state, state.place.lat[:, None])
    return field > 0, field


def control_cell_area(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Cells with more than the mean area of all; the field is the share of the sphere."""
    field = _field(state, state.place.area_yx / 2**32)
    return field > field.mean(dtype=np.float64), field


def control_weekday(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """Saturday and Sunday, UTC, everywhere; the field is 0 on Mondays to 6 on Sundays."""
    # 1 January 1970 was a Thursday.
    weekday = (int(state.now.time.astype("datetime64[D]").astype(np.int64)) + 3) % 7
    field = _field(state, np.array(weekday))
    return field >= 5, field


def control_day_of_month(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """From the 16th of a month on, UTC, everywhere; the field is the day of the month from 1."""
    date = state.now.time.astype("datetime64[D]")
    field = _field(state, np.array(int((date - date.astype("datetime64[M]")) / np.timedelta64(1, "D")) + 1))
    return field > 15, field


def red_noise(time: np.datetime64, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """`waves` seeded by the time alone, float32, (rows, columns)."""
    return waves(generator(Stream.RED_NOISE, int(np.datetime64(time, "h").astype(np.int64))), lat, lon)


def waves(random: np.random.Generator, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """A random field on the sphere with more power in larger waves, of mean 0 and variance 1 over draws, float32, (rows, columns).

    The sum of 64 plane waves in space, seen on the sphere: directions uniform, 2 to 24 radians per radius, amplitudes as 1 over
    these, phases uniform. So it looks the same everywhere and in every direction, at the poles too.
    """
    towards = random.standard_normal((_WAVES, 3))
    towards /= np.sqrt((towards**2).sum(axis=1, keepdims=True))
    number, phase = random.uniform(_FEWEST, _MOST, _WAVES), random.uniform(0, 2 * np.pi, _WAVES)
    amplitude = number**_SLOPE
    amplitude *= np.sqrt(2 / (amplitude**2).sum())
    phi, lamda = np.deg2rad(lat)[:, None], np.deg2rad(lon)[None, :]
    x, y, z = np.cos(phi) * np.cos(lamda), np.cos(phi) * np.sin(lamda), np.sin(phi)
    field = np.zeros(x.shape)
    for (a, b, c), k, start, height in zip(towards, number, phase, amplitude, strict=True):
        field += height * np.cos(k * (a * x + b * y + c * z) + start)
    return field.astype(np.float32)


def control_red_noise(state: LabelState, reference: Reference, thresholds: Thresholds) -> Found:
    """The highest tenth of `red_noise`."""
    field = red_noise(state.now.time, state.place.lat, state.place.lon)
    return field >= thresholds.red_noise, field
