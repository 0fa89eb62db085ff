"""Features of tokens as a labelled dataset."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from aurorascope.config.calendar import parse
from aurorascope.features.strongest import NO_FEATURE
from aurorascope.spec import LATENT_LEVELS
from aurorascope.tokens import TokenGrid

FORMAT = 1
_DIMS = ("time", "latent_level", "lat", "lon")
_TIME = {"units": "hours since 1970-01-01 00:00:00", "calendar": "proleptic_gregorian"}
_IDS = "0-based: feature j is column j of W_enc and row j of W_dec in saes/sae_{block}.pt of sha256 sae_sha256"


def _coordinates(times: Sequence[str], grid: TokenGrid) -> dict[str, Any]:
    hours = np.array([int(parse(time).timestamp()) // 3600 for time in times], np.int32)
    note = "fewer than the largest where the {} is partly padding, which holds no cell of the globe"
    return {
        "time": ("time", hours, {**_TIME, "standard_name": "time", "long_name": "later of the snapshot's two states, UTC"}),
        "latent_level": (
            "latent_level", np.array(LATENT_LEVELS),
            {"long_name": "latent level of the backbone; atmos levels are learned, not pressure levels"},
        ),
        "lat": (
            "lat", grid.lat,
            {"units": "degrees_north", "standard_name": "latitude", "long_name": "centre of the token's real cells"},
        ),
        "lon": (
            "lon", grid.lon,
            {"units": "degrees_east", "standard_name": "longitude", "long_name": "centre of the token's real cells"},
        ),
        "row_cells": ("lat", grid.row_cells.astype(np.int16), {"long_name": f"input rows under the token; {note.format('row')}"}),
        "col_cells": (
            "lon", grid.col_cells.astype(np.int16), {"long_name": f"input columns under the token; {note.format('column')}"}
        ),
    }


def _dataset(
    times: Sequence[str], grid: TokenGrid, variables: dict[str, Any], extra: dict[str, Any], attrs: dict[str, Any]
) -> xr.Dataset:
    data = xr.Dataset(variables, coords={**_coordinates(times, grid), **extra})
    data.attrs = {"Conventions": "CF-1.11", "format": np.int32(FORMAT), **attrs, "feature_ids": _IDS.format(**attrs)}
    for name in data.variables:
        # A coordinate has no missing values, and xarray would say otherwise of floats.
        data[name].encoding["_FillValue"] = np.float32(np.nan) if name in ("value", "activation") else None
    return data


def strongest_dataset(
    index_tnk: np.ndarray, value_tnk: np.ndarray, times: Sequence[str], grid: TokenGrid, attrs: dict[str, Any]
) -> xr.Dataset:
    """The strongest features of each token.

    Args:
        index_tnk: feature indices, (times, n_tokens, k) int32, `NO_FEATURE` where there are fewer.
        value_tnk: their values, float32, NaN there.
        times: the snapshots' times, ISO, UTC.
        grid: where the tokens lie.
        attrs: attributes of the file, `block` among them.

    Returns:
        `feature` and `value`, both (time, latent_level, lat, lon, rank).
    """
    shape = (len(times), *grid.shape, index_tnk.shape[-1])
    rank = np.arange(shape[-1], dtype=np.int32)
    missing = {"valid_min": np.int32(0), "comment": f"{NO_FEATURE} where a token has fewer active features"}
    variables = {
        "feature": ((*_DIMS, "rank"), index_tnk.reshape(shape), {"long_name": "index of the feature", "units": "1", **missing}),
        "value": ((*_DIMS, "rank"), value_tnk.reshape(shape), {"long_name": "value of that feature", "units": "1"}),
    }
    ranks = {"rank": ("rank", rank, {"long_name": "place by magnitude among the token's active features, 0 the strongest"})}
    return _dataset(times, grid, variables, ranks, attrs)


def chosen_dataset(
    h_tnf: np.ndarray, chosen: Sequence[int], times: Sequence[str], grid: TokenGrid, attrs: dict[str, Any]
) -> xr.Dataset:
    """A few features in full, zeros included: `activation` (time, latent_level, lat, lon, feature) of (times, n_tokens, n)."""
    shape = (len(times), *grid.shape, len(chosen))
    activation = ((*_DIMS, "feature"), h_tnf.reshape(shape), {"long_name": "value of the feature", "units": "1"})
    ids = {"feature": ("feature", np.array(chosen, np.int32), {"long_name": "index of the feature", "units": "1"})}
    return _dataset(times, grid, {"activation": activation}, ids, attrs)
