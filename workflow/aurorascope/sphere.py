"""Geometry of a regular latitude-longitude grid on the sphere: areas, distances, gradients, disks and connected cells.

Grids run in rows of one latitude, in order from north to south or south to north, and in columns of equal steps around the
whole circle. Angles are in degrees, lengths in km or m as each function says.
"""

import numpy as np
from scipy import ndimage

RADIUS_M = 6.371e6
"""Mean radius of the Earth, m."""
AREA_UNITS = 2**32
"""Units of area in the whole sphere: areas are integers of these, so that a sum does not depend on its order."""
_CORNERS = np.ones((3, 3), int)
_POLE = 1e-6
_MOST_OBJECTS = np.iinfo(np.uint16).max


def row_edges(lat: np.ndarray) -> np.ndarray:
    """Edges between rows, degrees, (rows + 1,): half way between latitudes, half a step beyond the last, never beyond a pole."""
    lat = np.asarray(lat, np.float64)
    middle = (lat[1:] + lat[:-1]) / 2
    ends = lat[0] - (lat[1] - lat[0]) / 2, lat[-1] + (lat[-1] - lat[-2]) / 2
    return np.concatenate([[ends[0]], middle, [ends[1]]]).clip(-90, 90)


def cell_areas(lat: np.ndarray, n_columns: int) -> np.ndarray:
    """Area of each row's cells in units of 2^-32 of the sphere, rounded, int64, (rows,).

    A cell between latitudes s and n of `n_columns` in its row has (sin n - sin s) / (2 n_columns) of the sphere. All cells of a
    row have the same area, so that turning a field about the axis changes no sum.
    """
    sines = np.sin(np.deg2rad(row_edges(lat)))
    return np.rint(np.abs(np.diff(sines)) / 2 / n_columns * AREA_UNITS).astype(np.int64)


def great_circle_km(lat_a: np.ndarray, lon_a: np.ndarray, lat_b: np.ndarray, lon_b: np.ndarray) -> np.ndarray:
    """Great-circle distance, km, of points in degrees that broadcast against each other (haversine formula)."""
    a, b = np.deg2rad(lat_a), np.deg2rad(lat_b)
    across = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.deg2rad(np.subtract(lon_b, lon_a)) / 2) ** 2
    return 2 * RADIUS_M / 1000 * np.arcsin(np.sqrt(across.clip(0, 1)))


def gradient(field_yx: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eastward and northward derivative of a field, its unit per m, float64, each (rows, columns).

    Centred differences, periodic in longitude; towards the first and last row's outside one-sided. On a pole all columns are one
    point, and the eastward derivative is 0.
    """
    field_yx = np.asarray(field_yx, np.float64)
    cosine = np.cos(np.deg2rad(np.asarray(lat, np.float64)))[:, None]
    step = np.deg2rad(lon[1] - lon[0])
    slope = (np.roll(field_yx, -1, 1) - np.roll(field_yx, 1, 1)) / (2 * step * RADIUS_M)
    east = np.divide(slope, cosine, out=np.zeros_like(slope), where=cosine > _POLE)
    return east, np.gradient(field_yx, np.deg2rad(lat) * RADIUS_M, axis=0)


def vorticity(u_yx: np.ndarray, v_yx: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Relative vorticity (dv/dlon - d(u cos phi)/dphi) / (a cos phi) of a wind in m/s, 1/s, float64, (rows, columns).

    At a pole it is the mean over the cap within the next row: the circulation around it by its area (Stokes).
    """
    lat = np.asarray(lat, np.float64)
    phi = np.deg2rad(lat)
    cosine, step = np.cos(phi)[:, None], np.deg2rad(lon[1] - lon[0])
    u_yx, v_yx = np.asarray(u_yx, np.float64), np.asarray(v_yx, np.float64)
    turning = (np.roll(v_yx, -1, 1) - np.roll(v_yx, 1, 1)) / (2 * step)
    shear = np.gradient(u_yx * cosine, phi, axis=0)
    zeta = np.divide(turning - shear, RADIUS_M * cosine, out=np.zeros_like(shear), where=cosine > _POLE)
    for pole, beside in ((0, 1), (-1, -2)):
        if cosine[pole, 0] <= _POLE:
            cap = 1 - abs(np.sin(phi[beside]))
            zeta[pole] = np.sign(lat[pole]) * u_yx[beside].mean() * cosine[beside, 0] / (RADIUS_M * cap)
    return zeta


def disk(lat: np.ndarray, lon: np.ndarray, centre: tuple[float, float], km: float) -> np.ndarray:
    """Cells whose centre lies within `km` of a point (degrees north, east), bool, (rows, columns)."""
    return great_circle_km(centre[0], centre[1], np.asarray(lat)[:, None], np.asarray(lon)[None, :]) <= km


def dilate(mask_yx: np.ndarray, lat: np.ndarray, lon: np.ndarray, km: float) -> np.ndarray:
    """Cells whose centre lies within `km` of the centre of some cell of a mask, great circle, bool, (rows, columns)."""
    phi = np.deg2rad(np.asarray(lat, np.float64))
    (n_rows, n), radius = mask_yx.shape, RADIUS_M / 1000
    step = 2 * np.pi / n
    # Number of mask cells before each column of a row that is there three times over.
    before = np.zeros((n_rows, 3 * n + 1), np.int64)
    np.cumsum(np.tile(mask_yx, 3), axis=1, out=before[:, 1:])
    columns, grown = np.arange(n), np.zeros(mask_yx.shape, bool)
    reach = np.sin(min(km / radius, np.pi) / 2) ** 2
    for offset in range(-n_rows + 1, n_rows):
        rows = np.arange(max(0, -offset), min(n_rows, n_rows - offset))
        sources = rows + offset
        rest = reach - np.sin((phi[rows] - phi[sources]) / 2) ** 2
        rows, sources, rest = rows[rest >= 0], sources[rest >= 0], rest[rest >= 0]
        if not len(rows):
            continue
        product = np.maximum(np.cos(phi[rows]) * np.cos(phi[sources]), 1e-30)
        half = 2 * np.arcsin(np.sqrt(np.minimum(rest / product, 1)))
        # A cell that lies exactly on the rim belongs to it whatever the last bit of its distance.
        wide = np.minimum(np.floor(half / step + 1e-9).astype(np.int64), n // 2)[:, None]
        here = sources[:, None]
        grown[rows] |= before[here, n + columns + wide + 1] > before[here, n + columns - wide]
    return grown


def connected(mask_yx: np.ndarray) -> np.ndarray:
    """Number of each cell's object, uint16, 0 outside: 8-connected, the last column beside the first.

    Raises:
        ValueError: more objects than uint16 has numbers.
    """
    numbers_yx, n = ndimage.label(mask_yx, _CORNERS)
    # Objects that meet across the seam take the lower of their numbers, until no two differ.
    name = np.arange(n + 1)
    for shift in (-1, 0, 1):
        west, east = numbers_yx[:, 0], np.roll(numbers_yx[:, -1], shift)
        if shift:
            # A row has no neighbour beyond the pole.
            west, east = (west[:-1], east[:-1]) if shift == -1 else (west[1:], east[1:])
        for a, b in zip(west, east, strict=True):
            if a and b:
                low, high = sorted((name[a], name[b]))
                name[name == high] = low
    kept = np.unique(name)
    if len(kept) - 1 > _MOST_OBJECTS:
        raise ValueError(f"{len(kept) - 1} objects, more than the {_MOST_OBJECTS} that have a number")
    return np.searchsorted(kept, name)[numbers_yx].astype(np.uint16)


def neighbours(field_yx: np.ndarray, fill: float) -> np.ndarray:
    """The eight cells around each cell, (8, rows, columns): the circle closed, `fill` beyond the first and last row."""
    padded = np.pad(np.pad(field_yx, ((0, 0), (1, 1)), mode="wrap"), ((1, 1), (0, 0)), constant_values=fill)
    n_rows, n_columns = field_yx.shape
    places = [(dy, dx) for dy in range(3) for dx in range(3) if (dy, dx) != (1, 1)]
    return np.stack([padded[dy : dy + n_rows, dx : dx + n_columns] for dy, dx in places])
