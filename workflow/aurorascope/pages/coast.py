"""Coastlines for maps: contours of the model's own land mask."""

import contourpy
import numpy as np

# Cells of the mask that are contoured, at most, along a row; a page's maps are no finer.
_COLUMNS = 360
_HALF = 0.5


def coast_lines(lsm_yx: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> list[list[float]]:
    """Where half of a cell is land, as lines.

    Args:
        lsm_yx: share of land, (lat, lon).
        lat: degrees north, decreasing, (lat,).
        lon: degrees east from 0, increasing, the whole circle, (lon,).

    Returns:
        Lines, each longitude, latitude, longitude, latitude, ..., in tenths of degrees rounded to whole numbers, longitudes from 0 to
        360; sorted, so that the same mask gives the same lines.
    """
    step = max(1, -(-len(lon) // _COLUMNS))
    lsm_yx, lat, lon = (np.asarray(each, np.float64) for each in (lsm_yx, lat, lon))
    lsm_yx, lat, lon = lsm_yx[::step, ::step], lat[::step], lon[::step]
    # One more column closes the circle.
    closed_yx = np.concatenate([lsm_yx, lsm_yx[:, :1]], axis=1)
    lines = contourpy.contour_generator(np.append(lon, lon[0] + 360), lat, closed_yx).lines(_HALF)
    found = [_without_repeats(np.rint(10 * line).astype(np.int64)) for line in lines]
    return sorted(line.reshape(-1).tolist() for line in found if len(line) > 1)


def _without_repeats(line_n2: np.ndarray) -> np.ndarray:
    """A line without points that equal the one before, and without those in the middle of a straight piece."""
    line_n2 = line_n2[np.append(True, (np.diff(line_n2, axis=0) != 0).any(axis=1))]
    if len(line_n2) < 3:
        return line_n2
    before, after = np.diff(line_n2[:-1], axis=0), np.diff(line_n2[1:], axis=0)
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return line_n2[np.concatenate([[True], turns, [True]])]
