"""Where each token of a block lies on the globe.

Aurora cuts the grid into patches of 3 x 3 cells, and its Swin3D backbone merges tokens 2 x 2 twice on the way down
(an odd number of rows or columns is padded by one before a merge). The four latent levels are the surface and three
learned mixtures of the pressure levels; they are not pressure levels and carry no hPa.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aurorascope.blocks import Block, Stage
from aurorascope.spec import LATENT_LEVELS, PATCH


@dataclass(frozen=True)
class TokenGrid:
    """The tokens of one block: shape, and centre of each token in degrees.

    Attributes:
        n_levels: latent levels (4).
        lat: latitude of each row's centre, degrees north, shape (rows,). A padded row's centre is that of its real
            half (the padding holds no cell).
        lon: longitude of each column's centre, degrees east in [0, 360), shape (columns,).
        row_cells: real grid rows under each token row, shape (rows,); less than the maximum where padded.
        col_cells: the same for columns.
        lat_edges: south and north edge of each row's real cells, degrees, shape (rows, 2).
    """

    n_levels: int
    lat: np.ndarray
    lon: np.ndarray
    row_cells: np.ndarray
    col_cells: np.ndarray
    lat_edges: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """(latent levels, rows, columns)."""
        return self.n_levels, len(self.lat), len(self.lon)

    @property
    def n_tokens(self) -> int:
        """Tokens of one snapshot."""
        return int(np.prod(self.shape))

    @property
    def area(self) -> np.ndarray:
        """Cell area of each token, normalised to mean 1, float64, shape (levels, rows, columns).

        Proportional to sin(north edge) - sin(south edge) times the columns covered; a padded row counts with its
        real cells only.
        """
        south, north = np.sin(np.deg2rad(self.lat_edges)).T
        plane = (north - south)[:, None] * self.col_cells[None, :].astype(float)
        plane = plane / plane.mean()
        return np.broadcast_to(plane, self.shape).copy()


def _merge_axis(groups: list[np.ndarray]) -> list[np.ndarray]:
    return [np.concatenate(groups[i : i + 2]) for i in range(0, len(groups), 2)]


def token_grid(block: Block | Stage, lat: Sequence[float], lon: Sequence[float]) -> TokenGrid:
    """Where a block's tokens lie, for an input grid.

    Args:
        block: the block, or the stage of several, which have one grid.
        lat: input latitudes, degrees north, strictly decreasing; a row beyond a multiple of 3 is dropped, as Aurora does.
        lon: input longitudes, degrees east, strictly increasing from 0; their number must be a multiple of 3.

    Returns:
        The grid of (4, rows, columns) tokens, latent level outermost, longitude fastest.
    """
    lat, lon = np.asarray(lat, float), np.asarray(lon, float)
    n_rows = len(lat) // PATCH * PATCH
    rows = [np.arange(i, i + PATCH) for i in range(0, n_rows, PATCH)]
    cols = [np.arange(i, i + PATCH) for i in range(0, len(lon), PATCH)]
    for _ in range(block.merges):
        rows, cols = _merge_axis(rows), _merge_axis(cols)
    step = abs(lat[1] - lat[0])
    edges = np.array([[lat[r].min() - step / 2, lat[r].max() + step / 2] for r in rows]).clip(-90, 90)
    return TokenGrid(
        n_levels=len(LATENT_LEVELS),
        lat=np.array([lat[r].mean() for r in rows]),
        lon=np.array([lon[c].mean() for c in cols]),
        row_cells=np.array([len(r) for r in rows]),
        col_cells=np.array([len(c) for c in cols]),
        lat_edges=edges,
    )
