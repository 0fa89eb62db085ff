"""The demo's flow: geopotential, temperature and wind as a mean state plus waves that drift and swell.

The geopotential is a sum of a zonal mean (warm tropics, cold poles, two jets that wander) and 40 waves, each with its
own zonal wavenumber, speed, latitude, vertical structure and slow swelling. Temperature follows from it hydrostatically
and wind geostrophically, so that the levels and variables fit together as they do in an analysis. Everything is a
closed formula of the time: no random state, and the same values in whatever order states are asked for.
"""

from dataclasses import dataclass

import numpy as np

from aurorascope.cams.variables import ATMOS, LEVELS

DAY = 86400.0
_RADIUS, _OMEGA, _GAS = 6.371e6, 7.292e-5, 287.0
_LN_P = np.log(np.array(LEVELS, float))
_STATS = {v.netcdf: np.array([v.stats(level) for level in LEVELS]) for v in ATMOS}
STEERING = LEVELS.index(700)


def table(*values: float) -> np.ndarray:
    """One value for each of the 13 levels, ascending in hPa, shape (13,)."""
    if len(values) != len(LEVELS):
        raise ValueError(f"{len(values)} values for {len(LEVELS)} levels")
    return np.array(values, float)


def unit(*keys: int | np.ndarray) -> np.ndarray:
    """A hash of integers in [0, 1): the demo's only chance, a function of its arguments alone."""
    state = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        for key in keys:
            state = (np.asarray(key, np.int64).astype(np.uint64) + state) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(32))
    return (state >> np.uint64(11)).astype(np.float64) / float(1 << 53)


def season(days: float) -> float:
    """-1 in the middle of January, 1 in the middle of July; `days` counts from 1 January 2000."""
    return float(-np.cos(2 * np.pi * (days - 15) / 365.25))


_SHAPES = {
    "synoptic": (
        table(0.12, 0.35, 0.6, 0.85, 1, 1, 0.85, 0.7, 0.58, 0.48, 0.36, 0.32, 0.3),
        table(2, 2, 2, 2, 1.9, 1.8, 1.6, 1.35, 1.1, 0.9, 0.45, 0.22, 0),
    ),
    "planetary": (
        table(1.5, 1.2, 1.05, 1, 0.95, 0.9, 0.8, 0.7, 0.6, 0.52, 0.42, 0.4, 0.4),
        table(2.4, 2.0, 1.7, 1.5, 1.3, 1.2, 1, 0.8, 0.65, 0.5, 0.25, 0.1, 0),
    ),
    "shallow": (
        table(0, 0, 0, 0.02, 0.04, 0.07, 0.15, 0.25, 0.4, 0.55, 0.8, 0.92, 1),
        table(1, 1, 1, 1, 1, 0.9, 0.8, 0.7, 0.5, 0.4, 0.2, 0.1, 0),
    ),
    "upper": (
        table(1, 0.8, 0.55, 0.35, 0.2, 0.12, 0.05, 0, 0, 0, 0, 0, 0),
        table(1, 0.7, 0.5, 0.3, 0.2, 0.1, 0, 0, 0, 0, 0, 0, 0),
    ),
    "tropical": (
        table(0.1, 0.4, 0.7, 0.8, 0.6, 0.3, -0.2, -0.5, -0.7, -0.8, -0.8, -0.8, -0.8),
        table(0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0, 0, 0, 0),
    ),
}

# kind, |latitude| of the middle, half width, zonal wavenumbers, speed (degrees a day, eastward), amplitude (m2 s-2).
_FAMILIES = (
    ("planetary", 58, 20, (1, 2, 3), 4.0, 1700.0),
    ("synoptic", 50, 18, (3, 4), 24.0, 2300.0),
    ("synoptic", 47, 14, (5, 6, 7), 24.0, 2000.0),
    ("synoptic", 60, 11, (5, 6), 21.0, 1300.0),
    ("shallow", 44, 12, (7, 9, 11), 25.0, 260.0),
    ("shallow", 62, 12, (6, 8), 23.0, 240.0),
    ("upper", 62, 18, (1, 2), 9.0, 2200.0),
    ("tropical", 11, 11, (3, 6, 10), -14.0, 260.0),
)


@dataclass(frozen=True)
class _Waves:
    """Constants of all waves, each of shape (waves,); the vertical ones (13, waves), complex."""

    lat: np.ndarray
    width: np.ndarray
    number: np.ndarray
    speed: np.ndarray
    amplitude: np.ndarray
    phase: np.ndarray
    swell: np.ndarray
    south: np.ndarray
    vertical: np.ndarray
    warming: np.ndarray


def _make_waves() -> _Waves:
    rows, vertical = [], []
    for family, (kind, lat, width, numbers, speed, amplitude) in enumerate(_FAMILIES):
        strength, tilt = _SHAPES[kind]
        for south in (0, 1):
            for k in numbers:
                chance = unit(family, south, k, np.arange(5))
                rows.append(
                    (
                        (1 - 2 * south) * (lat + 6 * (chance[0] - 0.5)),
                        width,
                        k,
                        speed * (0.88 + 0.24 * chance[1]) if abs(speed) > 5 else speed * (2 * chance[1] - 0.6),
                        amplitude * (0.8 + 0.4 * chance[2]) * (3 / len(numbers)) ** 0.5,
                        2 * np.pi * chance[3],
                        3.5 + 7 * chance[4],
                        south,
                    )
                )
                vertical.append(strength * np.exp(1j * tilt))
    lat, width, number, speed, amplitude, phase, swell, south = np.array(rows).T
    shape = np.stack(vertical, axis=1)
    return _Waves(
        lat, width, number, speed, amplitude, phase, swell, south, shape,
        -np.gradient(shape, _LN_P, axis=0) / _GAS,
    )


_W = _make_waves()


def _meridional(lat: np.ndarray) -> np.ndarray:
    """Amplitude and phase of each wave over latitude, complex, shape (points, waves)."""
    offset = (lat[:, None] - _W.lat) / _W.width
    # The square of the cosine lets every wave end at the poles, where a zonal wavenumber has no meaning.
    return np.cos(np.deg2rad(lat))[:, None] ** 2 * np.exp(-(offset**2) + 0.5j * np.abs(offset))


def _zonal(days: float, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each wave along longitude and its derivative by longitude in radians, complex, shape (points, waves)."""
    winter = 1 + 0.3 * season(days) * (2 * _W.south - 1)
    swell = 1 + 0.55 * np.sin(2 * np.pi * days / _W.swell + 3 * _W.phase)
    angle = np.deg2rad(lon)[:, None]
    carrier = _W.number * (angle - np.deg2rad(_W.speed * days % 360)) + _W.phase
    packet = angle - np.deg2rad(0.6 * _W.speed * days % 360) + 2 * _W.phase
    envelope, slope = 1 + 0.6 * np.cos(packet), -0.6 * np.sin(packet)
    wave = _W.amplitude * winter * swell * np.exp(1j * carrier)
    return wave * envelope, wave * (slope + 1j * _W.number * envelope)


_MEAN_T = table(-0.3, -0.75, -0.6, 0, 0.5, 0.7, 0.76, 0.76, 0.76, 0.76, 0.78, 0.8, 0.82)
_SEASON_T = table(0.9, 0.5, 0.35, 0.25, 0.3, 0.35, 0.35, 0.35, 0.35, 0.35, 0.35, 0.35, 0.35)
_JET = table(0.5, 0.7, 0.85, 1, 1, 0.95, 0.8, 0.65, 0.52, 0.4, 0.25, 0.18, 0.14)
_TRADES = table(-0.6, -0.4, 0.1, 0.3, 0.3, 0.1, -0.3, -0.6, -0.8, -0.9, -1, -1, -0.9)
_HADLEY = table(0, -0.3, -0.8, -1, -0.6, -0.2, 0, 0, 0.1, 0.3, 0.8, 1, 1)


def _mean_temperature(days: float, lat: np.ndarray) -> np.ndarray:
    """Zonal-mean temperature, K, shape (13, points)."""
    loc, scale = _STATS["t"].T
    warm = (0.5 - np.sin(np.deg2rad(lat - 5 * season(days))) ** 2) / 0.354
    tilt = season(days) * np.sin(np.deg2rad(lat))
    return loc[:, None] + scale[:, None] * (np.outer(_MEAN_T, warm) + np.outer(_SEASON_T, tilt))


def _bump(lat: np.ndarray, middle: float, width: float) -> np.ndarray:
    return np.exp(-(((np.abs(lat) - middle) / width) ** 2))


def _jet(days: float, lat: np.ndarray) -> np.ndarray:
    """Shape over latitude of the geopotential step across the two jets, (points,)."""
    total = np.zeros_like(lat)
    for sign in (1, -1):
        wander = 5 * np.sin(2 * np.pi * days / 17 + sign) + 3 * np.sin(2 * np.pi * days / 6.3 + 2 * sign)
        middle = 41 + wander + 4 * sign * season(days)
        strength = 1600 * (1 - 0.3 * sign * season(days))
        total -= strength * np.tanh((sign * lat - middle) / 9)
    return total


def _mean_geopotential(days: float, lat: np.ndarray) -> np.ndarray:
    """Zonal-mean geopotential, m2 s-2, shape (13, points), in balance with `_mean_temperature`."""
    surface = 800 * _bump(lat, 33, 14) - 1000 * _bump(lat, 63, 11) - 250 * _bump(lat, 0, 12)
    excess = _mean_temperature(days, lat) - _STATS["t"][:, :1]
    steps = np.diff(_LN_P)[:, None] * _GAS * (excess[1:] + excess[:-1]) / 2
    above = np.concatenate([np.cumsum(steps[::-1], axis=0)[::-1], np.zeros((1, len(lat)))])
    return _STATS["z"][:, :1] + surface + above + np.outer(_JET, _jet(days, lat))


def _balance(lat: np.ndarray) -> np.ndarray:
    """1 / f, smoothed to zero at the equator, s, shape (points,)."""
    coriolis = 2 * _OMEGA * np.sin(np.deg2rad(lat))
    return coriolis / (coriolis**2 + (2 * _OMEGA * np.sin(np.deg2rad(13))) ** 2)


_DELTA = 0.25


def _mean_wind(days: float, lat: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Zonal-mean wind, m s-1, each of shape (13, points)."""
    slope = _mean_geopotential(days, lat + _DELTA) - _mean_geopotential(days, lat - _DELTA)
    slope /= 2 * np.deg2rad(_DELTA)
    cosine = np.cos(np.deg2rad(lat))
    u = -slope * _balance(lat) / _RADIUS * np.minimum(1, 3 * cosine) + 7 * np.outer(_TRADES, _bump(lat, 0, 18))
    belt = (lat - 7 * season(days)) / 12
    return u, -2.5 * np.outer(_HADLEY, belt * np.exp(0.5 - belt**2 / 2))


def _sum(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Real part of rows @ columns.T, without BLAS, whose bytes depend on the number of threads."""
    left, right = np.concatenate([rows.real, -rows.imag], -1), np.concatenate([columns.real, columns.imag], -1)
    return np.einsum("lhw,xw->lhx", left, np.ascontiguousarray(right))


def flow(days: float, lat: np.ndarray, lon: np.ndarray) -> dict[str, np.ndarray]:
    """Geopotential, temperature and wind on the 13 levels.

    Args:
        days: time since 1 January 2000, UTC.
        lat: degrees north, shape (rows,).
        lon: degrees east, shape (columns,).

    Returns:
        z (m2 s-2), t (K), u and v (m s-1), float64, each (13, rows, columns).
    """
    along, slope = _zonal(days, lon)
    across = _meridional(lat)
    tilt = (_meridional(lat + _DELTA) - _meridional(lat - _DELTA)) / (2 * np.deg2rad(_DELTA))
    # The waves vanish at the poles like the square of this cosine, so the bound never matters there.
    cosine = np.maximum(np.cos(np.deg2rad(lat)), 1e-3)[:, None]
    factor = (_balance(lat) / _RADIUS)[:, None]
    mean_u, mean_v = _mean_wind(days, lat)
    vertical = _W.vertical[:, None, :]
    return {
        "z": _mean_geopotential(days, lat)[..., None] + _sum(vertical * across, along),
        "t": _mean_temperature(days, lat)[..., None]
        - (np.gradient(_JET, _LN_P) / _GAS)[:, None, None] * _jet(days, lat)[:, None]
        + _sum(_W.warming[:, None, :] * across, along),
        "u": mean_u[..., None] - _sum(vertical * tilt, along) * factor,
        "v": mean_v[..., None] + _sum(vertical * across, slope) * factor / cosine,
    }


def steering_wind(days: float, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eastward and northward wind at 700 hPa at single points, m s-1, each (points,)."""
    along, slope = _zonal(days, lon)
    vertical = _W.vertical[STEERING]
    tilt = (_meridional(lat + _DELTA) - _meridional(lat - _DELTA)) / (2 * np.deg2rad(_DELTA))
    factor = _balance(lat) / _RADIUS
    mean_u, mean_v = _mean_wind(days, lat)
    u = mean_u[STEERING] - (vertical * tilt * along).real.sum(1) * factor
    v = (vertical * _meridional(lat) * slope).real.sum(1) * factor
    return u, mean_v[STEERING] + v / np.maximum(np.cos(np.deg2rad(lat)), 0.05)
