"""How far a change of the input reaches: the root mean square of each block's change by distance from the region, over depth."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.atlas.plane import Plane
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.blocks import BLOCKS, Block
from aurorascope.perturbations.regions import Region
from aurorascope.sphere import cell_areas
from aurorascope.tokens import token_grid

EDGES_KM = (0.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Edges of rings about the region; the first ring is the region itself, the last has no end."""
_SHARES = (0.5, 0.9)
# Tokens compared at once, so that float64 copies stay small.
_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Reach:
    """How far a change reaches.

    Attributes:
        rings: one row a block and ring: block, depth, from_km and to_km (infinite for the last; both 0 for tokens that the region
            lies over), n_tokens, `rms_change` of x' - x over channels, and `relative`, that over the block's own spread, the root mean
            square of x - mean x over all tokens.
        blocks: one row a block: block, depth, `rms_change`, `spread`, `inside`, the share of the squared change in tokens that the
            region lies over, and `km_50` and `km_90`, the distance from the region that half and 90 % of it lie within. NaN
            where nothing changes.
    """

    rings: pd.DataFrame
    blocks: pd.DataFrame


def reach(
    model: AuroraAirPollution, clean: Batch, changed: Batch, region: Region, *, blocks: Sequence[Block] = BLOCKS,
    edges_km: Sequence[float] = EDGES_KM, most_bytes: int = 2 << 30,
) -> Reach:
    """Compare the outputs of blocks for two inputs.

    Args:
        model: the model, in eval mode.
        clean: the clean input, batch size 1, on the model's device.
        changed: the changed one, on the same grid.
        region: where it was changed.
        blocks: which blocks.
        edges_km: edges of rings, ascending from 0.
        most_bytes: of clean outputs that are kept at once; more blocks than fit are compared in further forwards, to the same bits.
    """
    lat, lon = (axis.double().cpu().numpy() for axis in (clean.metadata.lat, clean.metadata.lon))
    rings, rows = [], []
    for group in _groups(sorted(blocks, key=lambda block: block.depth_index), lat, lon, model.encoder.embed_dim, most_bytes):
        kept: dict[Block, np.ndarray] = {}

        def keep(block: Block, x_nd: torch.Tensor, kept: dict[Block, np.ndarray] = kept) -> None:
            kept[block] = x_nd.to("cpu", copy=True).numpy()

        def compare(block: Block, x_nd: torch.Tensor, kept: dict[Block, np.ndarray] = kept) -> None:
            ring, row = _compare(block, kept.pop(block), x_nd.cpu().numpy(), lat, lon, region, edges_km)
            rings.extend(ring)
            rows.append(row)

        run_to_blocks(model, clean, group, keep)
        run_to_blocks(model, changed, group, compare)
    return Reach(pd.DataFrame(rings), pd.DataFrame(rows))


def _groups(blocks: Sequence[Block], lat: np.ndarray, lon: np.ndarray, embed_dim: int, most_bytes: int) -> Iterator[list[Block]]:
    """Neighbouring blocks whose outputs fit into memory together, at least one."""
    group: list[Block] = []
    held = 0
    for block in blocks:
        size = token_grid(block, lat, lon).n_tokens * block.width(embed_dim) * 4
        if group and held + size > most_bytes:
            yield group
            group, held = [], 0
        group.append(block)
        held += size
    if group:
        yield group


def _compare(
    block: Block, clean_nd: np.ndarray, changed_nd: np.ndarray, lat: np.ndarray, lon: np.ndarray, region: Region, edges_km: Sequence[float]
) -> tuple[list[dict], dict]:
    grid = token_grid(block, lat, lon)
    plane = Plane.of(grid, cell_areas(lat, len(lon)))
    km_p = region.distance_km(grid.lat, grid.lon).reshape(-1)
    is_inside_p = plane.total((region.weight(lat, lon) > 0).astype(np.int64)).reshape(-1) > 0
    km_n, is_inside_n = np.tile(np.where(is_inside_p, 0.0, km_p), grid.n_levels), np.tile(is_inside_p, grid.n_levels)
    area_n = np.tile(plane.area_p, grid.n_levels).astype(np.float64)
    square_n, spread = _squares(clean_nd, changed_nd, area_n)
    weighted_n, name = square_n * area_n, {"block": block.id, "depth": block.depth_index}
    rings = []
    for start, stop, here_n in _rings(km_n, is_inside_n, edges_km):
        area = area_n[here_n].sum()
        rms = float(np.sqrt(weighted_n[here_n].sum() / area)) if area else np.nan
        size = {"n_tokens": int((here_n & (area_n > 0)).sum()), "rms_change": rms, "relative": rms / spread if spread else np.nan}
        rings.append({**name, "from_km": start, "to_km": stop, **size})
    total = weighted_n.sum()
    share = {f"km_{share * 100:.0f}": _within(km_n, weighted_n, share) for share in _SHARES}
    inside = float(weighted_n[is_inside_n].sum() / total) if total else np.nan
    return rings, {**name, "rms_change": float(np.sqrt(total / area_n.sum())), "spread": spread, "inside": inside, **share}


def _squares(clean_nd: np.ndarray, changed_nd: np.ndarray, area_n: np.ndarray) -> tuple[np.ndarray, float]:
    """Mean square over channels of each token's change, and the block's spread; float64, token by token."""
    parts = [slice(start, start + _ROWS) for start in range(0, len(clean_nd), _ROWS)]
    mean_d = sum((clean_nd[part] * area_n[part, None]).sum(axis=0) for part in parts) / area_n.sum()
    square_n, own_n = np.empty(len(clean_nd)), np.empty(len(clean_nd))
    for part in parts:
        x_nd = clean_nd[part].astype(np.float64)
        square_n[part] = np.square(changed_nd[part] - x_nd).mean(axis=1)
        own_n[part] = np.square(x_nd - mean_d).mean(axis=1)
    return square_n, float(np.sqrt((own_n * area_n).sum() / area_n.sum()))


def _rings(km_n: np.ndarray, is_inside_n: np.ndarray, edges_km: Sequence[float]) -> Iterator[tuple[float, float, np.ndarray]]:
    yield 0.0, 0.0, is_inside_n
    for start, stop in zip(edges_km, [*edges_km[1:], np.inf], strict=True):
        yield start, stop, ~is_inside_n & (km_n >= start) & (km_n < stop)


def _within(km_n: np.ndarray, weighted_n: np.ndarray, share: float) -> float:
    """The smallest distance that a share of the squared change lies within."""
    order = np.argsort(km_n, kind="stable")
    so_far = np.cumsum(weighted_n[order])
    if so_far[-1] == 0:
        return np.nan
    return float(km_n[order][np.searchsorted(so_far, share * so_far[-1] * (1 - 1e-12))])
