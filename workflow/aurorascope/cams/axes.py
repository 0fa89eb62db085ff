"""Latitudes and longitudes as files have them, and the one exact grid that they stand for.

Files round: float32 axes, 359.59999999999997, -1e-13. Two spellings of a grid that differ in the last bits must be one
grid, in digests too, so an axis that is within 1e-4 of a step of a regular global one becomes that one, turned so that
rows go south and columns east from the first meridian at or after 0. Nothing is ever joined by comparing coordinates.
"""

from dataclasses import dataclass

import numpy as np

from aurorascope.cams.grid import pole_to_pole, symmetric
from aurorascope.errors import UserError

# Of a step. The float32 rounding of a longitude near 360 is 4e-5 of a step of 0.4 degrees.
_TOLERANCE = 1e-4
_FIX = (
    "use a global grid of even steps, with the first row on the pole or half a step from it; if it is part of one, ask "
    "for no area"
)


@dataclass(frozen=True)
class Turned:
    """An exact axis and how a file's values come to lie along it.

    Attributes:
        exact: degrees, float64, latitudes descending or longitudes ascending from 0.
        flip: whether the file's order is the other one.
        roll: how many places the flipped values move to the left.
    """

    exact: np.ndarray
    flip: bool
    roll: int

    def apply(self, values: np.ndarray, axis: int) -> np.ndarray:
        """Values in the exact axis's order."""
        if self.flip:
            values = np.flip(values, axis)
        return np.roll(values, -self.roll, axis) if self.roll else values

    @property
    def said(self) -> str | None:
        """What was done, in words; None if nothing."""
        words = ["turned around"] * self.flip + [f"moved by {self.roll} places"] * bool(self.roll)
        return " and ".join(words) or None


def exact_latitudes(values: np.ndarray, where: object, rounding: float = 0.0) -> Turned:
    """The exact latitudes: from pole to pole, without the south pole's row, or from half a step off the pole.

    Args:
        values: degrees north, shape (rows,).
        where: the file, for messages.
        rounding: degrees that the file's format rounds by.

    Raises:
        UserError: they are not those of a regular global grid.
    """
    given = _one_axis(values, "latitudes", where)
    n, flip = len(given), bool(given[0] < given[-1])
    given = given[::-1] if flip else given
    step = (given[0] - given[-1]) / (n - 1)
    candidates = (
        pole_to_pole(n),
        # As Aurora itself crops 37 rows.
        pole_to_pole(n + 1)[:-1],
        symmetric(90.0 - (np.arange(n) + 0.5) * (180.0 / n)),
    )
    for exact in candidates:
        if np.abs(given - exact).max() <= _TOLERANCE * step + rounding:
            return Turned(exact, flip, 0)
    raise UserError(where, "latitudes of a regular global grid", _why(given, step, n, 180.0), _FIX)


def exact_longitudes(values: np.ndarray, where: object, rounding: float = 0.0) -> Turned:
    """The exact longitudes: even steps around the globe, from the first at or after 0.

    Args:
        values: degrees east, shape (columns,), from anywhere, in either order.
        where: the file, for messages.
        rounding: degrees that the file's format rounds by.

    Raises:
        UserError: they are not those of a regular global grid.
    """
    given = _one_axis(values, "longitudes", where)
    n, step = len(given), 360.0 / len(given)
    # From -180 to 180 without sorting, there is one jump of nearly a whole turn, which is none on the globe.
    turns = np.diff(given)
    turns -= 360.0 * np.rint(turns / 360.0) * (np.abs(turns) > 180.0)
    given = given[0] + np.concatenate([[0.0], np.cumsum(turns)])
    flip = bool(given[0] > given[-1])
    given = given[::-1] if flip else given
    steps, most = (given - given[0]) / step, _TOLERANCE + rounding / step
    if np.abs(steps - np.arange(n)).max() > most:
        found = _why(given, (given[-1] - given[0]) / (n - 1), n, 360.0)
        raise UserError(where, "longitudes of a regular global grid", found, _FIX)
    # In steps from 0; a whole number or a half but for grids that start elsewhere, and rounded so that bits agree.
    first = np.round((given - np.arange(n) * step).mean() / step, 4)
    if abs(first - np.rint(2 * first) / 2) <= most:
        first = np.rint(2 * first) / 2
    offset = first - np.floor(first)
    roll = int(-np.floor(first)) % n
    return Turned((np.arange(n) + offset) * step, flip, roll)


def _one_axis(values: np.ndarray, name: str, where: object) -> np.ndarray:
    given = np.asarray(values, np.float64)
    if given.ndim != 1 or len(given) < 2:
        raise UserError(where, f"{name} along one axis", f"an array of shape {given.shape}", _FIX)
    if not np.isfinite(given).all():
        raise UserError(where, f"finite {name}", "NaN or infinity among them", _FIX)
    return given


def _why(given: np.ndarray, step: float, n: int, whole: float) -> str:
    steps = np.diff(given)
    sizes = np.abs(steps)
    ends = f"{n} of them from {given[0]:g} to {given[-1]:g}"
    odd = np.flatnonzero(np.abs(sizes - np.median(sizes)) > 1e-3 * np.median(sizes))
    if len(odd):
        place = int(odd[0])
        return f"{ends}, with a step of {sizes[place]:g} after {given[place]:g} where others are {np.median(sizes):g}"
    if whole == 360.0 and np.isclose(given[-1] - given[0], 360.0, atol=1e-3):
        return f"{ends}: the last column is the first one again"
    if abs(n * abs(step) - whole) < 1e-3 * whole:
        return f"{ends} in steps of {abs(step):g}, uneven by more than {_TOLERANCE:g} of a step or from elsewhere than a pole"
    return f"{ends} in steps of {abs(step):g}, which are {n * abs(step):g} degrees of {whole:g}"
