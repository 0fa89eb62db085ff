"""How far a change reaches: against brute force over tokens, and where no block moves anything."""

import numpy as np
import pytest
import torch
from aurorascope.backbone.model import build_model, head_arguments
from aurorascope.blocks import BLOCKS, BY_ID
from aurorascope.perturbations.apply_changes import perturb
from aurorascope.perturbations.operations import ScaleVariables
from aurorascope.perturbations.reach_by_block import EDGES_KM, reach
from aurorascope.perturbations.regions import Disk
from aurorascope.perturbations.responses import block_outputs
from aurorascope.sphere import great_circle_km
from aurorascope.tokens import token_grid

DISK = Disk(40, 100, km=2500, taper_km=1000)


@pytest.fixture(scope="module")
def batches(inputs):
    changed, _ = perturb(inputs, [ScaleVariables(("t", "u"), 1.1, DISK)])
    return inputs.batch(), changed.batch()


@pytest.fixture(scope="module")
def found(model, batches):
    return reach(model, *batches, DISK)


def test_there_is_a_row_for_each_block_and_ring(found):
    assert found.blocks["block"].tolist() == [block.id for block in BLOCKS]
    assert len(found.rings) == 48 * (1 + len(EDGES_KM))
    for block, rings in found.rings.groupby("block"):
        assert rings["n_tokens"].sum() == 4 * {0: 72, 1: 18, 2: 6}[BY_ID[block].merges]


@pytest.mark.parametrize("block", ["encoder_s0_b5", "encoder_s2_b1", "decoder_s1_b9"])
def test_numbers_are_those_of_brute_force(found, model, inputs, batches, block):
    clean, new = (block_outputs(model, batch, [block])[block].double().numpy() for batch in batches)
    grid, own = token_grid(BY_ID[block], inputs.lat, inputs.lon), found.blocks.set_index("block").loc[block]
    square, area = ((new - clean) ** 2).mean(axis=1), grid.area.reshape(-1)
    mean = (clean * area[:, None]).sum(axis=0) / area.sum()
    assert own["rms_change"] == pytest.approx(np.sqrt((square * area).sum() / area.sum()), rel=1e-6)
    assert own["spread"] == pytest.approx(np.sqrt((((clean - mean) ** 2).mean(axis=1) * area).sum() / area.sum()), rel=1e-6)
    near = great_circle_km(40, 100, grid.lat[:, None], grid.lon[None, :]) - 2500
    weight = DISK.weight(inputs.lat, inputs.lon)
    rows, columns = np.cumsum([0, *grid.row_cells]), np.cumsum([0, *grid.col_cells])
    km = np.array([
        [0.0 if (weight[rows[i] : rows[i + 1], columns[j] : columns[j + 1]] > 0).any() else max(near[i, j], 1e-9) for j in range(len(grid.lon))]
        for i in range(len(grid.lat))
    ])
    km = np.tile(km.reshape(-1), 4)
    for _, ring in found.rings[found.rings["block"] == block].iterrows():
        here = km == 0 if ring["to_km"] == 0 else (km > 0) & (km >= ring["from_km"]) & (km < ring["to_km"])
        assert ring["n_tokens"] == here.sum()
        if here.any():
            assert ring["rms_change"] == pytest.approx(np.sqrt((square * area)[here].sum() / area[here].sum()), rel=1e-6)
            assert ring["relative"] == pytest.approx(ring["rms_change"] / own["spread"])
    total = (square * area).sum()
    assert own["inside"] == pytest.approx((square * area)[km == 0].sum() / total, rel=1e-6)
    for share, column in ((0.5, "km_50"), (0.9, "km_90")):
        assert (square * area)[km <= own[column] + 1e-6].sum() >= share * total * (1 - 1e-6)
        assert (square * area)[km < own[column] - 1e-6].sum() < share * total


def test_groups_of_blocks_change_no_bit(model, batches, found):
    blocks = [BY_ID[name] for name in ("decoder_s0_b3", "encoder_s0_b0", "encoder_s1_b4")]
    for most in (0, 40_000, 1 << 30):
        some = reach(model, *batches, DISK, blocks=blocks, most_bytes=most)
        assert some.blocks["block"].tolist() == ["encoder_s0_b0", "encoder_s1_b4", "decoder_s0_b3"]
        whole = found.blocks[found.blocks["block"].isin(some.blocks["block"])].reset_index(drop=True)
        assert some.blocks.equals(whole)


def test_where_blocks_do_nothing_a_change_stays_where_it_was_made(batches):
    """The residual norms of a fresh Aurora are 0: every block returns what it is given."""
    torch.manual_seed(0)
    fresh = build_model(head_arguments(16)).eval().requires_grad_(False)
    found = reach(fresh, *batches, DISK, blocks=[block for block in BLOCKS if block.component == "encoder"])
    np.testing.assert_allclose(found.blocks["inside"], 1, rtol=1e-12)
    assert (found.blocks["km_90"] == 0).all()
    assert (found.blocks["rms_change"] > 0).all()
    outside = found.rings[found.rings["to_km"] > 0]
    assert (outside["rms_change"][outside["n_tokens"] > 0] == 0).all()


def test_no_change_reaches_nowhere(model, batches):
    found = reach(model, batches[0], batches[0], DISK, blocks=[BLOCKS[0]])
    assert found.blocks["rms_change"].tolist() == [0] and found.blocks[["inside", "km_50", "km_90"]].isna().all(axis=None)
