"""One feature of one block on the globe, with coastlines from the model's own land mask."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from aurorascope.activations.feed import ResidentFeed, StreamFeed, open_feed
from aurorascope.activations.opening import open_reader
from aurorascope.backbone.static import load_static, static_path
from aurorascope.blocks import BY_ID
from aurorascope.config.model import Config
from aurorascope.figures import style
from aurorascope.files import read_record
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.opening import open_sae
from aurorascope.spec import LATENT_LEVELS
from aurorascope.tokens import TokenGrid, token_grid

_DENSITY = (0.01, 0.5)


def _pick_feature(sae: AuroraSAE, feed: ResidentFeed | StreamFeed, n_levels: int) -> tuple[int, int]:
    """The feature and latent level that vary most in time at fixed places, where it is neither rare nor everywhere on.

    Weather moves; a feature that is merely a place has no such variance, nor has one that marks a level.
    """
    total, squares, active = None, 0.0, 0.0
    for x_nd in feed.snapshots(np.arange(feed.n_snapshots)):
        h_lph = sae.encode(x_nd).unflatten(0, (n_levels, -1))
        total = torch.zeros_like(h_lph) if total is None else total
        total += h_lph
        squares = squares + h_lph.square().sum(1)
        active = active + (h_lph != 0).float().mean(1)
    density_lh = active / feed.n_snapshots
    in_time_lh = squares - (total.square() / feed.n_snapshots).sum(1)
    eligible = (density_lh > _DENSITY[0]) & (density_lh < _DENSITY[1])
    if not eligible.any():
        eligible = density_lh > 0
    level, feature = divmod(int(torch.where(eligible, in_time_lh, -torch.inf).argmax()), sae.d_hidden)
    return feature, level


def _edges(centres: np.ndarray, cells: np.ndarray, step: float) -> np.ndarray:
    """Edges of token rows or columns, degrees, from centres and the cells each covers."""
    half = cells * step / 2
    return np.append(centres - half, centres[-1] + half[-1])


def draw_feature(
    config: Config, sae_record: Path, manifest: Path, states: Path, static_record: Path, png: Path
) -> None:
    """Draw one feature of one SAE on one latent level at the first held-out snapshot.

    Raises:
        UserError: a file is missing or altered.
    """
    sae, record = open_sae(sae_record)
    split = read_record(states, "states")
    grid = token_grid(BY_ID[record["block"]], split["latitude"], split["longitude"])
    reader = open_reader(manifest, config)
    feed = open_feed(reader, torch.device("cpu"))
    with torch.inference_mode():
        feature, level = _pick_feature(sae, feed, grid.n_levels)
        h = sae.encode(next(feed.snapshots(np.array([0]))))[:, feature].numpy().reshape(grid.shape)
    static = load_static(static_record)
    time = reader.manifest["snapshots"][0]["time"]
    _draw(h[level], grid, static["lsm"], static_path(static_record), png,
          f"{record['block']}, feature {feature}, {LATENT_LEVELS[level]}, {time[:10]} {time[11:13]} UTC")


def _draw(h_yx: np.ndarray, grid: TokenGrid, lsm: np.ndarray, static_file: Path, png: Path, title: str) -> None:
    import xarray as xr

    with xr.open_dataset(static_file, engine="scipy") as dataset:
        lat, lon = dataset["latitude"].values, dataset["longitude"].values
    lat_edges = np.append(grid.lat_edges[:, 1], grid.lat_edges[-1, 0])
    lon_edges = _edges(grid.lon, grid.col_cells, float(lon[1] - lon[0]))
    figure, axis = plt.subplots(figsize=(7.6, 3.9))
    # The first column starts half a cell west of 0; drawn again, it closes the gap before 360.
    lon_edges, wrapped = np.append(lon_edges, lon_edges[1] + 360), np.concatenate([h_yx, h_yx[:, :1]], axis=1)
    largest = max(float(np.abs(h_yx).max()), 1e-12)
    # A feature of either sign is two opposite things: nothing lies in the middle, not at an end.
    look = {"cmap": "PuOr_r", "vmin": -largest} if (h_yx < 0).any() else {"cmap": "magma_r", "vmin": 0}
    mesh = axis.pcolormesh(lon_edges, lat_edges, wrapped, vmax=largest, **look)
    # The land mask wraps around: one more column closes the coast at the date line's seam.
    closed = np.concatenate([lsm, lsm[:, :1]], axis=1)
    axis.contour(np.append(lon, lon[0] + 360), lat, closed, levels=[0.5], colors="#1b6ca8", linewidths=0.8)
    axis.set(xlabel="longitude (degrees east)", ylabel="latitude (degrees north)", xlim=(0, 360), ylim=(-90, 90),
             xticks=range(0, 361, 60), yticks=range(-90, 91, 30), aspect="equal")
    axis.set_title(title)
    figure.colorbar(mesh, ax=axis, label="feature activation\n(units of the block's output)", fraction=0.024, pad=0.02)
    y, x = np.indices(h_yx.shape)
    table = pd.DataFrame({"lat": grid.lat[y.ravel()], "lon": grid.lon[x.ravel()], "activation": h_yx.ravel()})
    style.save(figure, table, png)
