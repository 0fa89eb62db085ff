"""The demo's plumes: what cities, fires and deserts emit, carried off by the flow.

Each source lets go of a puff every six hours. A puff drifts with the wind at 700 hPa along a track that depends on its
source and hour of release alone, spreads, and fades over four days. Cities always emit; fires and dust storms burn or
blow for days at a time, at hours that come out of a hash.
"""

from collections.abc import Sequence

import numpy as np

from aurorascope.cams.demo_flow import DAY, steering_wind, unit
from aurorascope.cams.demo_land import CITIES

KINDS = ("city", "fire", "dust")
_STEP = 0.25
_AGES = 16
_RADIUS = 6.371e6

# Middle (degrees north, east), strength.
_FIRES = ((54, 246, 1.2), (40, 239, 1.0), (-10, 302, 1.4), (-9, 22, 1.3), (8, 22, 1.0), (61, 118, 1.3), (-17, 132, 1.0),
          (-2, 112, 1.1))
_DESERTS = ((24, 8, 1.3), (18, 18, 1.2), (25, 47, 1.0), (41, 95, 1.1), (-26, 135, 0.7))

_ROWS = [(row, col, top, 0) for _, row, col, top in CITIES]
_ROWS += [(*source, 1) for source in _FIRES] + [(*source, 2) for source in _DESERTS]
_LAT, _LON, _STRENGTH, _KIND = (np.array(column, float) for column in zip(*_ROWS, strict=True))
_EPISODE = 5.0
_SHARE = 0.55


def _activity(days: np.ndarray) -> np.ndarray:
    """Emission of every source at given times, about 0 to 2, shape (times, sources)."""
    source = np.arange(len(_LAT))
    clock = days[:, None] / _EPISODE + unit(71, source)
    number = np.floor(clock).astype(np.int64)
    burns = unit(72, source, number) < _SHARE
    episode = burns * (0.6 + 1.4 * unit(73, source, number)) * np.sin(np.pi * (clock - number)) ** 2
    local_hour = 2 * np.pi * (days[:, None] + _LON / 360)
    city = 1 + 0.25 * np.sin(local_hour - 1.8) + 0.3 * np.sin(2 * np.pi * clock / 1.7)
    return _STRENGTH * np.where(_KIND == 0, city, 1.6 * episode)


def _drift(days: float, span: float, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    u, v = steering_wind(days, lat.ravel(), lon.ravel())
    u, v = u.reshape(lat.shape), v.reshape(lat.shape)
    metres = np.rad2deg(span * DAY / _RADIUS)
    return np.clip(lat + v * metres, -85, 85), lon + u * metres / np.cos(np.deg2rad(lat))


def _tracks(days: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ages (puffs,) in days and positions (puffs, sources) in degrees of all puffs that are still in the air."""
    last = np.floor(days / _STEP)
    released = (last - np.arange(_AGES)[::-1]) * _STEP
    lat, lon = (np.broadcast_to(place, (_AGES, len(place))).copy() for place in (_LAT, _LON))
    for index, now in enumerate(released):
        span = min(_STEP, days - now)
        # Oldest first: at this hour the puffs up to `index` are in the air.
        aloft = slice(0, index + 1)
        lat[aloft], lon[aloft] = _drift(now, span, lat[aloft], lon[aloft])
    return days - released, lat, lon


def plumes(days: float, lat: np.ndarray, lon: np.ndarray, lifetimes: Sequence[tuple[str, float, float]]) -> np.ndarray:
    """Plume strength of several tracers at one time.

    Args:
        days: time since 1 January 2000, UTC.
        lat: degrees north, shape (rows,).
        lon: degrees east, shape (columns,).
        lifetimes: for each tracer the kind of source (one of `KINDS`), how long it lives in days, and how long it
            takes to be lifted (0: it is there at once), in days.

    Returns:
        About 0 to 3, float64, shape (tracers, rows, columns).
    """
    age, puff_lat, puff_lon = _tracks(days)
    emitted = _activity(days - age)
    weights = []
    for kind, life, lift in lifetimes:
        lifted = 1 - np.exp(-age / lift) if lift else np.ones_like(age)
        fading = np.clip(age / 0.125, 0, 1) * np.exp(-age / life) * (1 - age / (_AGES * _STEP)).clip(0) * lifted
        weights.append((fading[:, None] * emitted * (KINDS.index(kind) == _KIND)).ravel())
    width = np.repeat(2.8 + 1.8 * np.sqrt(age), len(_LAT))
    puff_lat, puff_lon = puff_lat.ravel(), puff_lon.ravel()
    across = np.exp(-(((lat[:, None] - puff_lat) / width) ** 2) / 2)
    east = (lon[:, None] - puff_lon + 180) % 360 - 180
    along = np.exp(-((east * np.cos(np.deg2rad(puff_lat)) / width) ** 2) / 2)
    fading_area = np.array(weights) * (2.8 / width) ** 2
    # Without BLAS, whose bytes depend on the number of threads.
    return np.einsum("khp,xp->khx", fading_area[:, None, :] * across, along)
