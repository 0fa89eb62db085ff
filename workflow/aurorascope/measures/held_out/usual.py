"""The table of what each feature of an SAE usually is, over all held-out tokens; released beside the SAE."""

import numpy as np
import pandas as pd

from aurorascope.atlas.ids import feature_ids
from aurorascope.atlas.plane import Plane
from aurorascope.features.statistics import UsualSums
from aurorascope.sphere import cell_areas
from aurorascope.tokens import TokenGrid

COLUMNS = ("mean", "active_mean", "p99")
"""Of each feature, besides its number and sign."""


def token_areas(grid: TokenGrid, lat: np.ndarray, n_lon: int) -> np.ndarray:
    """Area of each token's real cells, (n_tokens,) int64, in units of 2^-32 of the sphere.

    Args:
        grid: the block's tokens.
        lat: latitudes of the input, degrees north, (lat,).
        n_lon: its longitudes.
    """
    return np.tile(Plane.of(grid, cell_areas(np.asarray(lat, np.float64), n_lon)).area_p, grid.n_levels)


def usual_table(sums: UsualSums, signed: bool) -> pd.DataFrame:
    """A row a feature and sign, in the order of `feature_ids`, with mean, active_mean and p99 as float64, null where it is never on."""
    found = sums.usual()
    columns = dict(zip(COLUMNS, (found.mean_f, found.active_mean_f, found.p99_f), strict=True))
    return feature_ids(len(found.mean_f), signed).assign(**columns)
