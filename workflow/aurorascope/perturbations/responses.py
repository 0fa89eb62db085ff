"""How features respond: h(x') - h(x) from two encodings, of the clean activations and of the changed ones, by region and latent level.

The difference x' - x is never encoded: an encoder has a bias and a threshold, so that the features of a difference are those of no
weather. Sums are float64, token after token, of the features that are on in either encoding.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.atlas.plane import Plane
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.features.forward import Features, encode
from aurorascope.perturbations.regions import Region
from aurorascope.sae.active import Active
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sphere import cell_areas
from aurorascope.tokens import TokenGrid, token_grid

# Tokens encoded at once, so that their features stay small; the same tokens of both outputs, in the same rows, so that both round alike.
_ROWS = 4096


@dataclass(frozen=True, eq=False)
class RegionWeights:
    """What each token counts in the mean over each region.

    Attributes:
        names: the regions.
        n_levels: latent levels over the plane.
        weight_rp: (regions, tokens of a level) float64; the region's weight times the area of the token's real cells, summing to 1.
    """

    names: tuple[str, ...]
    n_levels: int
    weight_rp: np.ndarray

    @classmethod
    def of(cls, grid: TokenGrid, lat: np.ndarray, lon: np.ndarray, regions: Mapping[str, Region]) -> "RegionWeights":
        """Of some regions on a block's tokens, over an input grid in degrees north, (rows,), and east, (columns,).

        Raises:
            UserError: there is no region, or one that holds no cell.
        """
        if not regions:
            raise UserError("regions of a response", "at least one", "none", "name one")
        area_y = cell_areas(lat, len(lon))
        plane, weights = Plane.of(grid, area_y), []
        for name, region in regions.items():
            weight_p = plane.total(region.weight(lat, lon) * area_y[:, None]).reshape(-1)
            if weight_p.sum() <= 0:
                raise UserError(f"region {name}", "the centre of a grid cell in it", "none", "give a larger region")
            weights.append(weight_p / weight_p.sum())
        return cls(tuple(regions), grid.n_levels, np.stack(weights))


@dataclass(frozen=True, eq=False)
class Response:
    """How one block's features respond at one time.

    Features of an SAE that tells signs apart are two each, positive and negative part, in the order of `atlas.ids.feature_ids`.

    Attributes:
        time: ISO, UTC.
        regions: names of the regions.
        clean_rlf: (regions, levels, features) float64, area means of the clean features.
        change_rlf: the same of h(x') - h(x); exactly 0 for a feature that is the same bits at every token.
    """

    time: str
    regions: tuple[str, ...]
    clean_rlf: np.ndarray
    change_rlf: np.ndarray


def block_outputs(model: AuroraAirPollution, batch: Batch, blocks: list[str]) -> dict[str, torch.Tensor]:
    """Outputs of some blocks, by id, each (tokens, width) float32 on the CPU, from one forward up to the deepest of them."""
    found: dict[str, torch.Tensor] = {}
    # A copy: what a hook is handed belongs to the model, which goes on.
    run_to_blocks(model, batch, [BY_ID[block] for block in blocks], lambda block, x_nd: found.update({block.id: x_nd.to("cpu", copy=True)}))
    return found


def respond(sae: AuroraSAE, clean_nd: torch.Tensor, changed_nd: torch.Tensor, weights: RegionWeights, time: str) -> Response:
    """The response of all features of a block at one time.

    Args:
        sae: the block's autoencoder.
        clean_nd: the block's output for the clean input, (tokens, d) float32, latent level outermost.
        changed_nd: the same for the changed input.
        weights: the regions, on the block's tokens.
        time: ISO, UTC.

    Raises:
        ValueError: the outputs are not both of the tokens that the weights are for.
    """
    (n_regions, n_plane), n_levels = weights.weight_rp.shape, weights.n_levels
    if clean_nd.shape != changed_nd.shape or len(clean_nd) != n_levels * n_plane:
        raise ValueError(f"expected two outputs of {n_levels * n_plane} tokens, found {tuple(clean_nd.shape)} and {tuple(changed_nd.shape)}")
    signed = RELEASED[sae.architecture].signed
    n_features = sae.d_hidden * (2 if signed else 1)
    clean_rk, change_rk = (np.zeros((n_regions, n_levels * n_features)) for _ in range(2))
    # Tokens in no region are not encoded.
    counted_n = (np.arange(n_levels)[:, None] * n_plane + np.flatnonzero(weights.weight_rp.any(axis=0))).reshape(-1)
    with torch.inference_mode():
        for start in range(0, len(counted_n), _ROWS):
            here_n = counted_n[start : start + _ROWS]
            level_n, plane_n = np.divmod(here_n, n_plane)
            weight_rn = weights.weight_rp[:, plane_n]
            clean_td, changed_td = (x_nd[torch.from_numpy(here_n)] for x_nd in (clean_nd, changed_nd))
            clean = _entries(encode(sae, clean_td), signed)
            # A token whose activations are the same bits has the same features, wherever it lies among the rows.
            changed = clean if torch.equal(clean_td, changed_td) else _entries(encode(sae, changed_td), signed)
            for (key, value), total_rk in ((clean, clean_rk), (_difference(clean, changed), change_rk)):
                row, feature = np.divmod(key, n_features)
                place = level_n[row] * n_features + feature
                for total_k, weight_n in zip(total_rk, weight_rn, strict=True):
                    total_k += np.bincount(place, weight_n[row] * value, len(total_k))
    shape = (n_regions, n_levels, n_features)
    return Response(time, weights.names, clean_rk.reshape(shape), change_rk.reshape(shape))


def _entries(features: Features, signed: bool) -> tuple[np.ndarray, np.ndarray]:
    """Features that are on: ascending token * features + feature, int64, and values, float64, above 0 where signs are told apart."""
    if isinstance(features, Active):
        row, latent, value = features.rows().astype(np.int64), features.columns.astype(np.int64), features.values.numpy()
        n_latents = features.h
    else:
        values_nh = features.cpu().numpy()
        row, latent = np.nonzero(values_nh)
        value, n_latents = values_nh[row, latent], values_nh.shape[1]
    if signed:
        latent, n_latents, value = 2 * latent + (value < 0), 2 * n_latents, np.abs(value)
    return row * n_latents + latent, value.astype(np.float64)


def _difference(old: tuple[np.ndarray, np.ndarray], new: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Entries of new - old that are not 0."""
    key = np.union1d(old[0], new[0])
    value = np.zeros(len(key))
    value[np.searchsorted(key, new[0])] = new[1]
    value[np.searchsorted(key, old[0])] -= old[1]
    kept = value != 0
    return key[kept], value[kept]


def feature_responses(
    model: AuroraAirPollution, saes: Mapping[str, AuroraSAE], clean: Batch, changed: Batch, regions: Mapping[str, Region], time: str
) -> dict[str, Response]:
    """Responses of the features of some blocks to one change: two forwards of Aurora up to the deepest block.

    Args:
        model: the model, in eval mode.
        saes: autoencoders, on the CPU, by id of their block.
        clean: the clean input, batch size 1, on the model's device.
        changed: the changed one.
        regions: where responses are averaged, by name.
        time: the inputs' time, ISO, UTC.
    """
    lat, lon = (axis.double().cpu().numpy() for axis in (clean.metadata.lat, clean.metadata.lon))
    before, after = (block_outputs(model, batch, list(saes)) for batch in (clean, changed))
    return {
        block: respond(sae, before[block], after[block], RegionWeights.of(token_grid(BY_ID[block], lat, lon), lat, lon, regions), time)
        for block, sae in saes.items()
    }


def of_region(responses: list[Response], region: str) -> list[Response]:
    """The same responses in one region alone, in the order of time."""
    found = []
    for response in sorted(responses, key=lambda response: response.time):
        here = [response.regions.index(region)]
        found.append(
            dataclasses.replace(response, regions=(region,), clean_rlf=response.clean_rlf[here], change_rlf=response.change_rlf[here])
        )
    return found
