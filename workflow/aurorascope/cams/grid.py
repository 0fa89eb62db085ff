"""Which latitude-longitude grids Aurora takes."""

import numpy as np

from aurorascope.errors import UserError
from aurorascope.spec import PATCH

_FIX = (
    "use a global grid from 90 south to -90 and from 0 east to below 360, with columns a multiple of 3, rows a "
    "multiple of 3 or one more, and at least 9 x 9, for example 46 x 90 or 451 x 900 (request no area and no grid)"
)
_FEWEST = 3 * PATCH


def check_grid(lat: np.ndarray, lon: np.ndarray, where: object) -> None:
    """Check that Aurora takes a grid.

    Args:
        lat: latitudes, degrees north, shape (rows,).
        lon: longitudes, degrees east, shape (columns,).
        where: the file or field that the grid belongs to, for the message.

    Raises:
        UserError: the grid's order, range or size is one that Aurora refuses or would misread.
    """
    lat, lon = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
    if lat.ndim != 1 or lon.ndim != 1:
        raise UserError(where, "one latitude a row and one longitude a column", f"{lat.shape} and {lon.shape}", _FIX)
    if len(lat) < _FEWEST or len(lon) < _FEWEST:
        raise UserError(where, f"at least {_FEWEST} rows and columns", f"{len(lat)} x {len(lon)}", _FIX)
    if not np.all(np.diff(lat) < 0) or lat[0] > 90 or lat[-1] < -90:
        raise UserError(where, "latitudes strictly decreasing within 90 to -90", _span(lat), _FIX)
    if not np.all(np.diff(lon) > 0) or lon[0] < 0 or lon[-1] >= 360:
        raise UserError(where, "longitudes strictly increasing within 0 to below 360", _span(lon), _FIX)
    if len(lon) % PATCH != 0:
        raise UserError(where, f"a number of columns divisible by {PATCH}", str(len(lon)), _FIX)
    if len(lat) % PATCH not in (0, 1):
        raise UserError(where, f"a number of rows divisible by {PATCH}, or one more", str(len(lat)), _FIX)


def _span(values: np.ndarray) -> str:
    return f"{values[0]:g}, {values[1]:g} .. {values[-1]:g}"


def regular_grid(rows: int, cols: int) -> tuple[np.ndarray, np.ndarray]:
    """The regular global grid with both poles and the Greenwich meridian.

    Args:
        rows: number of latitudes, from 90 to -90 inclusive.
        cols: number of longitudes, from 0 in steps of 360 / cols.

    Returns:
        Latitudes (rows,), see `pole_to_pole`, and longitudes (cols,), float64, degrees.
    """
    return pole_to_pole(rows), np.arange(cols) * (360.0 / cols)


def pole_to_pole(rows: int) -> np.ndarray:
    """Latitudes from 90 to -90 inclusive, (rows,), float64: each the negative of its mirror image, to the last bit.

    Aurora takes a patch that is centred on the equator but for a rounding, as 51 rows of `linspace` have it, for one nearer
    to it than its position encoding reaches, and fails an assertion.
    """
    return symmetric(np.linspace(90.0, -90.0, rows))


def symmetric(latitudes: np.ndarray) -> np.ndarray:
    """Latitudes made the negatives of their mirror images."""
    return (latitudes - latitudes[::-1]) / 2
