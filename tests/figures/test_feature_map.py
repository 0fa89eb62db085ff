"""Which feature is drawn as a map, on which level, and how its signs look."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from aurorascope.blocks import BY_ID
from aurorascope.figures import feature_map, style
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.tokens import token_grid

LEVELS, CELLS, N = 4, 50, 12
LEVEL_MARK, PLACE, WEATHER, RARE = range(4)
LAT, LON = np.linspace(90, -90, 19), np.arange(36) * 10.0


class Feed:
    """Snapshots whose four channels are the four features of an SAE that passes them on."""

    n_snapshots = N

    def __init__(self, x_lpd):
        self.x_snd = x_lpd.flatten(1, 2)

    def snapshots(self, which):
        return iter(self.x_snd[torch.as_tensor(which)])


@pytest.fixture
def sae():
    """ReLU with the identity on both sides."""
    eye = torch.eye(4)
    return AuroraSAE.from_tensors({"W_enc": eye, "b_enc": torch.zeros(4), "W_dec": eye, "b_dec": torch.zeros(4)})


@pytest.fixture
def planted():
    """Snapshots, levels, places and features: a strong mark of one level, a strong map, a weak wave on level 2, a rare flash."""
    x = torch.zeros(N, LEVELS, CELLS, 4)
    x[:, 1, :, LEVEL_MARK] = 50 + 20 * torch.rand(N, CELLS, generator=torch.Generator().manual_seed(0))
    x[:, :, :10, PLACE] = 90
    for i in range(N):
        x[i, 2, 3 * i : 3 * i + 10, WEATHER] = 2
    x[0, 3, 0, RARE] = 40
    return x


def test_the_feature_drawn_moves_and_is_no_mark_of_a_level(sae, planted):
    """Not the one that is on at every token of its level, though a quarter of all, nor a fixed map, nor a flash."""
    assert feature_map._pick_feature(sae, Feed(planted), LEVELS) == (WEATHER, 2)


def test_without_a_fitting_feature_another_is_drawn(sae, planted):
    """Where nothing lies within the bounds, whatever is on and varies most."""
    planted[..., [PLACE, WEATHER]] = 0
    assert feature_map._pick_feature(sae, Feed(planted), LEVELS) == (LEVEL_MARK, 1)


@pytest.mark.parametrize(("values", "low", "cmap"), [((0.0, 3.0), 0.0, "magma_r"), ((-3.0, 1.0), -3.0, "PuOr_r"), ((0.0, 0.0), 0.0, "magma_r")])
def test_either_sign_is_seen(tmp_path, monkeypatch, values, low, cmap):
    """Nothing is the palest colour: at the end of the scale, or in its middle where a feature has both signs."""
    grid = token_grid(BY_ID["encoder_s0_b0"], LAT, LON)
    h = np.zeros(grid.shape[1:])
    h[0, 0], h[1, 1] = values
    meshes = []

    def save(figure, table, png):
        meshes.append((figure.axes[0].collections[0], table))
        plt.close(figure)

    monkeypatch.setattr(style, "save", save)
    record = tmp_path / "static.nc"
    pd.DataFrame(index=pd.MultiIndex.from_product([LAT, LON], names=["latitude", "longitude"])).assign(lsm=0.0).to_xarray().sortby(
        "latitude", ascending=False
    ).to_netcdf(record, engine="scipy")
    feature_map._draw(h, grid, np.tile(LON > 180, (19, 1)).astype(float), record, tmp_path / "map.png", "a map")
    ((mesh, table),) = meshes
    assert (mesh.get_cmap().name, mesh.norm.vmin, mesh.norm.vmax) == (cmap, low, max(*map(abs, values), 1e-12))
    assert (table["activation"].min(), table["activation"].max()) == (min(values), max(values))
