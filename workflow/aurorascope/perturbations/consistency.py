"""What moves with a change of states: columns with their levels, particles of one size with those of the others."""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from aurorascope.errors import UserError
from aurorascope.labels.state import GRAVITY

COLUMNS = {"co": "tcco", "no": "tc_no", "no2": "tcno2", "go3": "gtco3", "so2": "tcso2"}
"""The total column of each gas, under their NetCDF names, which are Aurora's too."""
PARTICLES = ("pm1", "pm2p5", "pm10")
"""Particles by size: each concentration is part of the next one."""


def level_masses(levels: Sequence[int], z_lyx: np.ndarray, ground_yx: np.ndarray) -> np.ndarray:
    """Air that each level stands for, kg m-2, float64, (levels, rows, columns): d tc = sum over levels of dX times this.

    dp / g by the trapezoid rule over neighbouring levels that both lie above the ground (their geopotential is at least the
    ground's), so that a level stands for half of the air between it and each of its neighbours. Levels below ground hold none.

    Args:
        levels: hPa, in any order.
        z_lyx: geopotential of each level, m2 s-2.
        ground_yx: geopotential of the ground, m2 s-2.

    Raises:
        UserError: fewer than two levels, between which there is no air.
    """
    if len(levels) < 2:
        raise UserError("levels of the states", "at least 2, to integrate over", str(len(levels)), "use states with more levels")
    order = np.argsort(levels)
    is_air_lyx = np.asarray(z_lyx, np.float64) >= np.asarray(ground_yx, np.float64)
    mass_lyx = np.zeros(is_air_lyx.shape)
    for above, below in itertools.pairwise(order):
        half = 100.0 * (levels[below] - levels[above]) / 2 / GRAVITY
        both_yx = (is_air_lyx[above] & is_air_lyx[below]) * half
        mass_lyx[above] += both_yx
        mass_lyx[below] += both_yx
    return mass_lyx


def moved_column(column_yx: np.ndarray, change_lyx: np.ndarray, mass_lyx: np.ndarray) -> np.ndarray:
    """A total column, kg m-2, after its levels changed: column + (1/g) sum dX dp, never below 0, float64, (rows, columns)."""
    column_yx = np.asarray(column_yx, np.float64)
    moved_yx = column_yx + np.einsum("lyx,lyx->yx", change_lyx, mass_lyx)
    return np.maximum(moved_yx, np.minimum(column_yx, 0))


def moved_particles(moved: str, old: Mapping[str, np.ndarray], new_yx: np.ndarray) -> dict[str, np.ndarray]:
    """All sizes of particles after one of them changed: ratios between them stay, so that PM1 <= PM2.5 <= PM10 does.

    Where there was none of the size that changed, the others take the same change, all of which is then of the finest size.

    Args:
        moved: which of `PARTICLES` changed.
        old: concentration of each size before, (rows, columns).
        new_yx: that of the size that changed, afterwards.

    Returns:
        Concentration of each size, float64.
    """
    before_yx, after_yx = np.asarray(old[moved], np.float64), np.asarray(new_yx, np.float64)
    there_yx = before_yx > 0
    factor_yx = np.divide(after_yx, before_yx, out=np.ones_like(after_yx), where=there_yx)
    added_yx = np.where(there_yx, 0.0, after_yx - before_yx)
    found = {size: np.asarray(old[size], np.float64) * factor_yx + added_yx for size in PARTICLES}
    found[moved] = after_yx
    # A product of a quotient may be a last bit beyond what it was equal to: each size is kept in order with the one before it
    # on the way from the size that changed.
    place = PARTICLES.index(moved)
    for towards, bound in ((PARTICLES[place::-1], np.minimum), (PARTICLES[place:], np.maximum)):
        for leads, follows in itertools.pairwise(towards):
            was_part_yx = bound(old[leads], old[follows]) == old[follows]
            found[follows] = np.where(was_part_yx, bound(found[leads], found[follows]), found[follows])
    return found
