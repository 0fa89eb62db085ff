"""The tokens of a block's plane, and the cells of the input grid under each.

The four latent levels lie over the same cells and share one plane. All areas are whole numbers, in the unit of the cell areas that
are given (2^-32 of the sphere), so that shares are compared and summed without rounding.
"""

import dataclasses
import functools
from dataclasses import dataclass

import numpy as np

from aurorascope.errors import UserError
from aurorascope.tokens import TokenGrid


@dataclass(frozen=True)
class Plane:
    """The cells under each token of a block's plane.

    Attributes:
        n_levels: latent levels over the plane.
        shape: (rows, columns).
        row_starts: first cell row of each token row.
        col_starts: first cell column of each token column.
        n_lat: cell rows that are under a token at all.
        n_lon: cell columns.
        area_y: (n_lat,) int64, area of a cell of each row.
        area_p: (rows * columns,) int64, area of each token's real cells; 0 for one that is padding alone.
    """

    n_levels: int
    shape: tuple[int, int]
    row_starts: np.ndarray
    col_starts: np.ndarray
    n_lat: int
    n_lon: int
    area_y: np.ndarray
    area_p: np.ndarray

    @classmethod
    def of(cls, grid: TokenGrid, area_y: np.ndarray) -> "Plane":
        """From a block's token grid and the areas of the input grid's cells, integers, (lat,)."""
        n_lat, n_lon = int(grid.row_cells.sum()), int(grid.col_cells.sum())
        rows, cols = (np.cumsum(cells) - cells for cells in (grid.row_cells, grid.col_cells))
        area_y = np.asarray(area_y)
        if not np.issubdtype(area_y.dtype, np.integer) or len(area_y) < n_lat:
            raise UserError("areas of cells", f"integers for {n_lat} rows", f"{area_y.dtype} for {len(area_y)}", "give cell areas")
        area_y = area_y[:n_lat].astype(np.int64)
        area_yx = np.repeat(area_y[:, None], n_lon, axis=1)
        plane = cls(grid.n_levels, grid.shape[1:], rows, cols, n_lat, n_lon, area_y, np.zeros(0, np.int64))
        return dataclasses.replace(plane, area_p=plane.total(area_yx).reshape(-1))

    @property
    def n(self) -> int:
        """Tokens of the plane."""
        return self.shape[0] * self.shape[1]

    def total(self, values_yx: np.ndarray) -> np.ndarray:
        """Sum of cells' values over each token, (..., lat, lon) -> (..., rows, columns)."""
        by_row = np.add.reduceat(values_yx[..., : self.n_lat, :], self.row_starts, axis=-2)
        return np.add.reduceat(by_row, self.col_starts, axis=-1)

    def col_of_cells(self) -> np.ndarray:
        """Column of tokens of each column of cells, (lon,) int64."""
        return np.searchsorted(self.col_starts, np.arange(self.n_lon), "right") - 1

    @functools.cached_property
    def width(self) -> int:
        """Columns of cells under a token, where all have as many; else 0."""
        widths = np.diff([*self.col_starts, self.n_lon])
        return int(widths[0]) if (widths == widths[0]).all() else 0


def mean_field(field_yx: np.ndarray, plane: Plane) -> np.ndarray:
    """Area-weighted mean of a field over each token's cells that have a value, (..., rows * columns) float32; NaN for none."""
    values = np.asarray(field_yx[..., : plane.n_lat, :], np.float64)
    area, is_missing = plane.area_y[:, None].astype(np.float64), np.isnan(values)
    if is_missing.any():
        total, held = plane.total(np.where(is_missing, 0.0, values) * area), plane.total(np.where(is_missing, 0.0, area))
    else:
        # Areas are whole numbers, and their sums the same.
        total, held = plane.total(values * area), plane.area_p.reshape(plane.shape).astype(np.float64)
    mean = np.divide(total, held, out=np.full(total.shape, np.nan), where=held > 0)
    return mean.reshape(*mean.shape[:-2], -1).astype(np.float32)
