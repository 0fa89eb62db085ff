"""Where the tokens of a block lie for one input of Aurora."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from aurorascope.atlas.plane import Plane
from aurorascope.blocks import Block
from aurorascope.errors import UserError
from aurorascope.sphere import cell_areas
from aurorascope.tokens import TokenGrid, token_grid


@dataclass(frozen=True, eq=False)
class Place:
    """The tokens of one block over one grid of cells.

    Attributes:
        block: the block.
        lat: latitudes of the cells under tokens, degrees north, (n_lat,) float64, decreasing.
        lon: longitudes of the cells, degrees east, (n_lon,) float64, increasing.
        grid: the tokens, latent level outermost.
        plane: the cells under each token.
        area_n: area of each token's real cells, (n_tokens,) int64, in units of 2^-32 of the sphere; 0 for padding alone.
    """

    block: Block
    lat: np.ndarray
    lon: np.ndarray
    grid: TokenGrid
    plane: Plane
    area_n: np.ndarray

    @classmethod
    def of(cls, block: Block, lat: np.ndarray, lon: np.ndarray) -> "Place":
        """Of a block and the input's latitudes, decreasing, and longitudes, increasing from 0, in degrees."""
        lat, lon = np.asarray(lat, np.float64), np.asarray(lon, np.float64)
        if lat.ndim != 1 or lon.ndim != 1:
            raise UserError(
                "the batch's latitudes and longitudes", "a regular grid, one dimension each", f"{lat.ndim} and {lon.ndim} dimensions",
                "give a batch on a regular grid",
            )
        grid = token_grid(block, lat, lon)
        plane = Plane.of(grid, cell_areas(lat, len(lon)))
        return cls(block, lat[: plane.n_lat], lon, grid, plane, np.tile(plane.area_p, grid.n_levels))

    @classmethod
    def of_batch(cls, block: Block, batch: Any) -> "Place":
        """Of a block and a batch of Aurora's."""
        return cls.of(block, batch.metadata.lat.cpu().numpy(), batch.metadata.lon.cpu().numpy())

    def over_levels(self, mask_yx: np.ndarray) -> np.ndarray:
        """A mask of token rows and columns at all latent levels, (n_tokens,) bool."""
        return np.broadcast_to(mask_yx, self.grid.shape).reshape(-1)
