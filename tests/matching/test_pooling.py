"""Features on the coarsest grid: area means of what lies under each place, for blocks of all stages, whatever the form and the pieces."""

import numpy as np
import pytest
import torch
from aurorascope.blocks import BY_ID
from aurorascope.matching import pooling
from aurorascope.matching.pooling import Pool
from aurorascope.measures.held_out.usual import token_areas
from tiny import LAT, LON, grid

from tests.matching.made import directions, sae_of

BLOCKS = ("encoder_s0_b3", "encoder_s1_b5", "encoder_s2_b0", "decoder_s0_b7", "decoder_s1_b2", "decoder_s2_b5")
COARSEST = grid("encoder_s2_b0")


def pool_of(block):
    return Pool.of(BY_ID[block], grid(block).shape, token_areas(grid(block), LAT, len(LON)))


def one_is_on(n, d=4):
    """An SAE whose first feature is the first channel where that is above 0, and the others never on."""
    W = np.zeros((d, d), np.float32)
    W[0, 0] = 1
    return sae_of(W), torch.from_numpy(np.abs(directions(n, d)) + 0.1)


@pytest.mark.parametrize("block", BLOCKS)
def test_each_value_is_the_area_mean_of_what_lies_under_it(block):
    """Cell by cell of the input grid: a place of the coarsest grid is 12 x 12 cells, level by level; the last row holds what there is."""
    cells, pool = grid(block), pool_of(block)
    sae, x_nd = one_is_on(cells.n_tokens)
    with torch.inference_mode():
        found = pool.pooled(sae, x_nd).toarray()[:, 0].reshape(COARSEST.shape)
    value_lyx = x_nd[:, 0].numpy().reshape(cells.shape).repeat(cells.row_cells, axis=1).repeat(cells.col_cells, axis=2).astype(np.float64)
    edges = np.repeat(np.sin(np.deg2rad(cells.lat_edges[:, ::-1])), cells.row_cells, axis=0)
    lat_edge = np.clip(np.concatenate([[90], (LAT[:-1] + LAT[1:]) / 2, [-90]]), -90, 90)
    area_y = -np.diff(np.sin(np.deg2rad(lat_edge)))[: value_lyx.shape[1]]
    assert edges.shape[0] == value_lyx.shape[1]
    for row in range(COARSEST.shape[1]):
        for column in range(COARSEST.shape[2]):
            part = value_lyx[:, 12 * row : 12 * row + 12, 12 * column : 12 * column + 12]
            expected = np.average(part.mean(axis=2), axis=1, weights=area_y[12 * row : 12 * row + part.shape[1]])
            assert found[:, row, column] == pytest.approx(expected, rel=1e-6)


def test_places_of_all_stages_are_the_same():
    """Same number, same areas to the bit: features of two stages are multiplied place by place."""
    first, *others = map(pool_of, BLOCKS)
    assert first.area_p.sum() == pytest.approx(1) and len(first.area_p) == COARSEST.n_tokens
    for other in others:
        assert np.array_equal(first.area_p, other.area_p)
    for pool in (first, *others):
        assert np.bincount(pool.place_n, pool.share_n) == pytest.approx(1)


@pytest.mark.parametrize("signed", [False, True])
def test_pieces_and_sparse_features_change_nothing(monkeypatch, signed):
    """A dense SAE and one that keeps few, whole and some tokens at a time."""
    pool, x_nd = pool_of("encoder_s0_b3"), torch.from_numpy(directions(grid("encoder_s0_b3").n_tokens, 8))
    sae = sae_of(directions(64, 8, 1), signed)
    with torch.inference_mode():
        whole = pool.pooled(sae, x_nd)
        dense = sae.encode(x_nd).double().numpy()
        by_place = np.zeros((len(pool.area_p), 64))
        np.add.at(by_place, pool.place_n, dense * pool.share_n[:, None])
        np.testing.assert_allclose(whole.toarray(), by_place, rtol=0, atol=1e-12)
        monkeypatch.setattr(pooling, "row_chunks", lambda n, width: (slice(first, first + 17) for first in range(0, n, 17)))
        np.testing.assert_allclose(pool.pooled(sae, x_nd).toarray(), by_place, rtol=0, atol=1e-12)
    assert (dense < 0).any() == signed
