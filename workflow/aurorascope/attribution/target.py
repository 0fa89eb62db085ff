"""What an outcome's file asks for, typed: the number that is attributed."""

import dataclasses

import numpy as np

from aurorascope.attribution.outcome_file import LINEAR_KEYS, naming
from aurorascope.cams.grid import regular_grid
from aurorascope.errors import UserError
from aurorascope.studies.outcomes import Linear
from aurorascope.studies.where import cells_of
from aurorascope.studies.written import AskedFile


def read_target(file: AskedFile, grid: tuple[int, int] | None = None) -> Linear:
    """The linear outcome of a file, under the file's name.

    Args:
        file: the file.
        grid: rows and columns of the states, where they are known.

    Raises:
        UserError: neither or both of variable and terms, a value of another form, a region that there is not, or one that holds no cell
            of the grid.
    """
    with naming(file.path):
        target = Linear.read("the outcome", {"name": file.name, **{key: file.asked[key] for key in LINEAR_KEYS if key in file.asked}})
        if grid is not None:
            check_on_grid(target, *regular_grid(*grid))
    return target


def check_on_grid(target: Linear, lat: np.ndarray, lon: np.ndarray) -> None:
    """Refuse a region without a cell, but for its label, of which only dates tell.

    Args:
        target: the outcome.
        lat: latitudes of the input, degrees north, decreasing.
        lon: longitudes, degrees east.

    Raises:
        UserError: no cell that Aurora forecasts lies in it.
    """
    shapes = dataclasses.replace(target.where, label=None)
    if not shapes.region("the outcome, region", "", None).holds(cells_of(lat, lon)).any():
        found = f"none of {len(lat)} x {len(lon)}"
        raise UserError("the outcome, region", "at least one cell of the grid", found, "make the region larger, or move it")
