"""Lows, ridges and long objects: what a label needs beyond a threshold cell by cell."""

import numpy as np

from aurorascope.labels.state import Place
from aurorascope.sphere import AREA_UNITS, RADIUS_M, connected, great_circle_km, neighbours

_KM_PER_DEGREE = RADIUS_M / 1000 * np.pi / 180


def local_minima(field_yx: np.ndarray) -> list[tuple[int, int]]:
    """Cells lower than all their neighbours, the circle closed; of cells that are equal, the first in order may be one."""
    n_rows, n_columns = field_yx.shape
    order = np.arange(n_rows * n_columns).reshape(n_rows, n_columns)
    around, places = neighbours(field_yx, np.inf), neighbours(order, n_rows * n_columns)
    is_lowest = ((field_yx < around) | ((field_yx == around) & (order < places))).all(axis=0)
    return [(int(row), int(column)) for row, column in np.argwhere(is_lowest)]


def is_closed(field_yx: np.ndarray, place: Place, centre: tuple[int, int], rise: float, degrees: float) -> bool:
    """Whether a field rises by `rise` on every way out of a great-circle disk about a cell (TempestExtremes' closed contour).

    Every way does where those cells that are less than `rise` above the centre, and connected with it, all lie in the disk.
    """
    lat, lon = place.lat, place.lon
    km, n = degrees * _KM_PER_DEGREE, len(lon)
    row, column = centre
    # One row and column more than the disk has, where a way out would show.
    rows = np.flatnonzero(np.abs(lat - lat[row]) <= degrees + 1.5 * abs(lat[1] - lat[0]))
    furthest = np.abs(lat[rows]).max()
    opening = np.sin(np.deg2rad(degrees)) / max(np.cos(np.deg2rad(furthest)), 1e-9)
    half = n // 2 if opening >= 1 else int(np.ceil(np.rad2deg(np.arcsin(opening)) / (360 / n))) + 1
    is_whole = 2 * half + 1 >= n
    columns = (column - n // 2 + np.arange(n)) % n if is_whole else (column + np.arange(-half, half + 1)) % n
    window = field_yx[np.ix_(rows, columns)]
    inside = great_circle_km(lat[row], lon[column], lat[rows][:, None], lon[columns][None, :]) <= km
    below = window < field_yx[row, column] + rise
    # `connected` closes the circle; where the window is no circle, what it joins lies outside the disk already.
    numbers = connected(below)
    centre_number = numbers[np.searchsorted(rows, row), n // 2 if is_whole else half]
    return not ((numbers == centre_number) & ~inside).any()


def nearest_maximum(field_yx: np.ndarray, place: Place, centre: tuple[int, int], degrees: float) -> tuple[int, int]:
    """The cell with the largest value within a great-circle distance of a cell; the first of equal ones."""
    row, column = centre
    rows = np.flatnonzero(np.abs(place.lat - place.lat[row]) <= degrees * (1 + 1e-9))
    distance = great_circle_km(place.lat[row], place.lon[column], place.lat[rows][:, None], place.lon[None, :])
    values = np.where(distance <= degrees * _KM_PER_DEGREE * (1 + 1e-9), field_yx[rows], -np.inf)
    best_row, best_column = np.unravel_index(values.argmax(), values.shape)
    return int(rows[best_row]), int(best_column)


def across_flow_maxima(speed_yx: np.ndarray, u_yx: np.ndarray, v_yx: np.ndarray) -> np.ndarray:
    """Cells where a wind's speed exceeds that on both sides across it: north and south where it blows more along the parallel, else
    west and east.
    """
    inner = np.pad(speed_yx, ((1, 1), (0, 0)), constant_values=np.inf)
    along_meridian = (speed_yx > inner[:-2]) & (speed_yx >= inner[2:])
    along_parallel = (speed_yx > np.roll(speed_yx, 1, 1)) & (speed_yx >= np.roll(speed_yx, -1, 1))
    return np.where(np.abs(u_yx) >= np.abs(v_yx), along_meridian, along_parallel)


def keep_objects(mask_yx: np.ndarray, place: Place, least_km: float, widest_km: float = np.inf) -> np.ndarray:
    """Those connected objects of a mask that are long and, where asked, narrow enough, bool.

    The length is the great-circle distance between two of its cells, found from the first cell by going to the furthest and
    from there to the furthest again: a little less than the largest for odd shapes, and less than the way along a bent object.
    The width is area by length.
    """
    numbers = connected(mask_yx)
    cells = np.flatnonzero(numbers)
    cells = cells[np.argsort(numbers.reshape(-1)[cells], kind="stable")]
    members = np.split(cells, np.flatnonzero(np.diff(numbers.reshape(-1)[cells])) + 1) if len(cells) else []
    kept = np.zeros(mask_yx.size, bool)
    for inside in members:
        rows, columns = np.divmod(inside, mask_yx.shape[1])
        lat, lon, reached = place.lat[rows], place.lon[columns], 0
        for _ in range(3):
            distance = great_circle_km(lat[reached], lon[reached], lat, lon)
            reached = int(distance.argmax())
        length = distance[reached]
        area = int(place.area_yx.reshape(-1)[inside].sum()) / AREA_UNITS * 4 * np.pi * (RADIUS_M / 1000) ** 2
        kept[inside] = length >= least_km and area <= widest_km * length
    return kept.reshape(mask_yx.shape)
