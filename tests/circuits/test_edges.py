"""Edges of a planted chain: found with their signs, 0 where no path leads, and in sum the effect through the later block."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from aurorascope.backbone.gradients import between
from aurorascope.blocks import BY_ID
from aurorascope.circuits.edges import error_edges, feature_edges, influences, own_effects, through
from aurorascope.circuits.usual import sizes_of, written
from aurorascope.features.forward import encode
from aurorascope.sae.active import Active
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE

from tests.architectures import of
from tests.circuits import at_blocks, planted
from tests.interventions.linear import sae_of

DATE = planted.EVENTS[0]
FIRST, SECOND = BY_ID[planted.FIRST], BY_ID[planted.SECOND]


def stretch_of(model):
    return between(model, lambda: model(planted.batch(DATE)), FIRST, SECOND)


def effects_of(block):
    """Effect of each feature and of the error, by the plain formula."""
    rows_fd = torch.stack([block.site.sae.W_dec.detach()[feature] * sign for feature, sign in block.site.ids]).double()
    features = (block.change_nf * (block.g_nd.double() @ rows_fd.T).numpy()).sum(axis=0)
    return np.append(features, (block.error_nd.double() * block.g_nd.double()).sum().item())


@pytest.fixture(scope="module")
def chain():
    """The blocks, and all edges and influences between them: later feature first."""
    model = planted.model()
    first, second = at_blocks.blocks_of(model, at_blocks.sites_of(model, planted.sae()), DATE)
    ids = first.site.ids
    with stretch_of(model) as stretch:
        edges, influence = (measured(stretch, first, ids, second, ids) for measured in (feature_edges, influences))
    return first, second, edges, influence


def test_the_chain_is_found_with_its_sign(chain):
    """On events a is above its mean: put to it, it lowers b and with b the forecast."""
    first, _, edges, influence = chain
    assert edges[planted.B, planted.A] < 0 < influence[planted.B, planted.A]
    # All of what a does leads through b.
    np.testing.assert_allclose(edges[planted.B, planted.A], effects_of(first)[planted.A], rtol=1e-5)
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


def test_an_edge_is_what_an_exact_change_does(chain):
    """The planted stretch is linear where b is on: b's part of an exact change of a is the edge."""
    first, second, edges, _ = chain
    moved_nd = first.x_nd.clone()
    moved_nd[:, planted.A] += torch.from_numpy(first.change_nf[:, planted.A])
    later_nd = SECOND.module(planted.model())(moved_nd[None], None, None)[0]
    b_n, moved_b_n = (encode(second.site.sae, each)[:, planted.B].detach().double() for each in (second.x_nd, later_nd))
    exact = ((moved_b_n - b_n) * second.g_nd[:, planted.B]).sum().item()
    np.testing.assert_allclose(edges[planted.B, planted.A], exact, rtol=1e-5)


@pytest.mark.parametrize("architecture", RELEASED)
def test_edges_of_all_features_and_the_error_sum_to_the_effect(architecture):
    """Every path leads through the second block, and so the sum is the first one's own effect, features and error; signed ones count apart."""
    model = planted.model()
    first, second = at_blocks.blocks_of(model, at_blocks.sites_of(model, sae_of(architecture, width=planted.WIDTH)), DATE)
    ids = first.site.ids
    with stretch_of(model) as stretch:
        edges = feature_edges(stretch, first, ids, second, ids)
        error, whole = error_edges(stretch, first, ids, second), through(stretch, first, ids, second)
    expected = effects_of(first)
    scale = np.abs(expected).max()
    assert second.error_nd.abs().max() > 0.01 and np.abs(error).max() > 0.01 * scale
    for found in (edges.sum(axis=0) + error, whole, own_effects(first, ids)):
        np.testing.assert_allclose(found, expected, atol=1e-5 * scale)


@pytest.mark.parametrize("architecture", RELEASED)
def test_features_and_error_at_their_means_are_the_mean_output(architecture):
    model = planted.model()
    site = at_blocks.sites_of(model, AuroraSAE.from_tensors(of(architecture, planted.WIDTH)))[1]
    block = at_blocks.blocks_of(model, [site], DATE)[0]
    reached_nd = block.x_nd.double() + torch.from_numpy(block.change_nf) @ site.directions(site.ids).double() + block.error_nd.double()
    # float32 sums of features that are large beside the output, and of both signs.
    scale = float((torch.from_numpy(np.abs(block.change_nf)) @ site.directions(site.ids).double().abs()).max())
    torch.testing.assert_close(reached_nd, site.usual_nd.double(), atol=1e-6 * scale, rtol=0)


def test_a_pursuits_feature_is_read_from_what_was_left():
    """Its gradient at the block's output is that of an exact change, where nothing else is taken; its own direction's is far from it."""
    model, eps = planted.model(), 1e-3
    block = at_blocks.blocks_of(model, [at_blocks.sites_of(model, sae_of("matching_pursuit", width=planted.WIDTH))[1]], DATE)[0]
    sae, ids = block.site.sae, block.site.ids[:6]
    pulls_nf, heads = block.pulls(ids), []
    # From the block to itself, nothing lies between.
    feature_edges(SimpleNamespace(pull=lambda v_nd: heads.append(v_nd) or v_nd), block, ids, block, ids)
    heads_fnd = torch.stack(heads)
    step_nd = torch.randn(block.x_nd.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    high_nh, low_nh = (sae.double().encode(block.x_nd.double() + sign * eps * step_nd).detach() for sign in (1, -1))
    same_n = ((high_nh != 0) == (low_nh != 0)).all(dim=1)
    change_nf = (high_nh - low_nh)[:, :6] / (2 * eps) * pulls_nf
    found_nf = (heads_fnd.double() * step_nd).sum(2).T
    own_nf = (step_nd @ sae.W_dec.detach()[:6].T) * pulls_nf * (high_nh[:, :6] != 0)
    scale = float(change_nf[same_n].abs().max())
    assert same_n.sum() > 0.9 * len(same_n)
    torch.testing.assert_close(found_nf[same_n], change_nf[same_n].to(found_nf), atol=1e-4 * scale, rtol=0)
    assert (own_nf - change_nf)[same_n].abs().max() > 0.1 * scale


def test_sparse_and_dense_features_have_the_same_sizes():
    """A top-k dictionary that few features of are on gives entries and no matrix."""
    sae = AuroraSAE.from_tensors(of("abstopk", planted.WIDTH, k=3))
    x_nd = torch.randn(50, planted.WIDTH, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        sparse, dense = encode(sae, x_nd), sae.encode(x_nd)
    assert isinstance(sparse, Active)
    ids = ((3, -1), (0, 1), (3, 1), (7, 1))
    np.testing.assert_array_equal(sizes_of(sparse, ids), sizes_of(dense, ids))
    torch.testing.assert_close(written(sparse, sae.W_dec.detach()), written(dense, sae.W_dec.detach()))
