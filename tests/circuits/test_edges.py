"""Edges of a planted chain: found with their signs, 0 where no path leads, and in sum the effect through the later block."""

import numpy as np
import pytest
import torch
from aurorascope.backbone.gradients import between
from aurorascope.blocks import BY_ID
from aurorascope.circuits.clean_block import CleanBlock
from aurorascope.circuits.edges import error_edges, feature_edges, influences, through
from aurorascope.circuits.usual import Usual, sizes_of, written
from aurorascope.features.forward import encode
from aurorascope.sae.active import Active
from aurorascope.sae.aurora_sae import AuroraSAE

from tests.architectures import of
from tests.circuits import at_blocks, planted
from tests.interventions.linear import sae_of

DATE = planted.EVENTS[0]
FIRST, SECOND = BY_ID[planted.FIRST], BY_ID[planted.SECOND]


def stretch_of(model, date=DATE):
    return between(model, lambda: model(planted.batch(date)), FIRST, SECOND)


def effect_of(block):
    """Effect of each feature, by the plain formula."""
    pulls_nf = block.g_nd.double().numpy() @ block.sae.W_dec.detach().double().numpy().T
    return (block.change_nf * pulls_nf).sum(axis=0)


@pytest.fixture(scope="module")
def chain():
    """Model, its blocks, and all edges and influences between them: later feature first."""
    model, sae = planted.model(), planted.sae()
    blocks = at_blocks.blocks_of(model, sae, DATE)
    first, second = blocks[planted.FIRST], blocks[planted.SECOND]
    with stretch_of(model) as stretch:
        edges = feature_edges(stretch, first, first.ids, second, second.ids)
        influence = influences(stretch, first, first.ids, second, second.ids)
    return first, second, edges, influence


def test_the_chain_is_found_with_its_sign(chain):
    """On events a is above its mean: put to it, it lowers b and with b the forecast."""
    first, _, edges, influence = chain
    assert edges[planted.B, planted.A] < 0 < influence[planted.B, planted.A]
    # All of what a does leads through b.
    np.testing.assert_allclose(edges[planted.B, planted.A], effect_of(first)[planted.A], rtol=1e-5)
    np.testing.assert_allclose(edges[planted.B, planted.A], 0.8 * 9 * first.change_nf[:, planted.A].sum(), rtol=1e-5)


def test_a_distractor_that_goes_with_it_has_no_edge(chain):
    first, _, edges, influence = chain
    together = np.corrcoef(first.size_nf[:, planted.A], first.size_nf[:, planted.DISTRACTOR])[0, 1]
    assert 0.85 < together < 0.95
    assert not edges[:, planted.DISTRACTOR].any() and not influence[:, planted.DISTRACTOR].any()


def test_an_inhibitor_is_negative(chain):
    """It is above its mean, too: put to it, what it holds down comes up, and the forecast with it."""
    _, _, edges, influence = chain
    assert influence[planted.HELD_DOWN, planted.INHIBITOR] < 0 < edges[planted.HELD_DOWN, planted.INHIBITOR]
    assert not np.delete(edges[:, planted.INHIBITOR], planted.HELD_DOWN).any()


@pytest.mark.parametrize("architecture", ["relu", "topk", "abstopk", "jumprelu"])
def test_edges_of_all_features_and_the_error_sum_to_the_effect(architecture):
    """Every path leads through the second block, and so the sum is the first one's own effect, features and error; signed ones count apart."""
    model = planted.model()
    sae = sae_of(architecture, width=planted.WIDTH)
    blocks = at_blocks.blocks_of(model, sae, DATE)
    first, second = ((_signed(block) if architecture == "abstopk" else block) for block in blocks.values())
    with stretch_of(model) as stretch:
        edges = feature_edges(stretch, first, first.ids, second, second.ids)
        error, whole = error_edges(stretch, first, first.ids, second), through(stretch, first, first.ids, second)
    expected = np.append(_effects(first), (first.error_nd.double() * first.g_nd.double()).sum().item())
    scale = np.abs(expected).max()
    assert (second.error_nd.abs().max() > 0.01) and np.abs(error).max() > 0.01 * scale
    np.testing.assert_allclose(edges.sum(axis=0) + error, expected, atol=1e-5 * scale)
    np.testing.assert_allclose(whole, expected, atol=1e-5 * scale)


def _signed(block):
    """Both signs of each of its features."""
    ids = tuple((feature, sign) for feature in range(block.sae.d_hidden) for sign in (1, -1))
    usual = at_blocks.usual_of(planted.model(), block.sae, block.block.id)
    return CleanBlock.of(block.block, block.sae, ids, block.x_nd, block.g_nd, usual, usual.sizes(ids))


def _effects(block):
    rows_fd = torch.stack([block.sae.W_dec.detach()[feature] * sign for feature, sign in block.ids]).double()
    return (block.change_nf * (block.g_nd.double() @ rows_fd.T).numpy()).sum(axis=0)


def test_an_edge_is_what_an_exact_change_does_in_a_linear_stretch():
    """The planted second block is linear where it is above 0: b's part of a small exact change of a is the edge."""
    model, sae = planted.model(), planted.sae()
    blocks = at_blocks.blocks_of(model, sae, DATE)
    first, second = blocks[planted.FIRST], blocks[planted.SECOND]
    with stretch_of(model) as stretch:
        edge = feature_edges(stretch, first, ((planted.A, 1),), second, ((planted.B, 1),))[0, 0]
    moved_nd = first.x_nd.double().clone()
    moved_nd[:, planted.A] += torch.from_numpy(first.change_nf[:, planted.A])
    later_nd = SECOND.module(model)(moved_nd.float()[None], None, None)[0]
    b_n, moved_b_n = (encode(sae, each.float())[:, planted.B].double() for each in (second.x_nd, later_nd))
    exact = ((moved_b_n - b_n) * second.g_nd[:, planted.B]).sum().item()
    np.testing.assert_allclose(edge, exact, rtol=1e-5)


@pytest.mark.parametrize("architecture", ["relu", "topk", "abstopk", "jumprelu"])
def test_features_and_error_at_their_means_are_the_mean_output(architecture):
    model, sae = planted.model(), AuroraSAE.from_tensors(of(architecture, planted.WIDTH))
    block = at_blocks.blocks_of(model, sae, DATE)[planted.SECOND]
    block = _signed(block) if architecture == "abstopk" else block
    rows_fd = torch.stack([sae.W_dec.detach()[feature] * sign for feature, sign in block.ids]).double()
    usual_nd = at_blocks.usual_of(model, sae, planted.SECOND).x_nd
    reached_nd = block.x_nd.double() + torch.from_numpy(block.change_nf) @ rows_fd + block.error_nd.double()
    torch.testing.assert_close(reached_nd, usual_nd.double(), atol=2e-4, rtol=0)


def test_sparse_and_dense_features_have_the_same_sizes():
    """Of the planted outputs few features of a top-k dictionary are on, which then are entries and no matrix."""
    sae = AuroraSAE.from_tensors(of("abstopk", planted.WIDTH, k=3))
    x_nd = torch.randn(50, planted.WIDTH, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        sparse, dense = encode(sae, x_nd), sae.encode(x_nd)
    assert isinstance(sparse, Active)
    ids = ((3, -1), (0, 1), (3, 1), (7, 1))
    np.testing.assert_array_equal(sizes_of(sparse, ids), sizes_of(dense, ids))
    torch.testing.assert_close(written(sparse, sae.W_dec.detach()), written(dense, sae.W_dec.detach()))
    assert Usual.of(x_nd, lambda: [sparse, dense], sae).sizes(ids).shape == (50, 4)
