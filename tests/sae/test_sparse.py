"""Products over the latents that are on, beside the dense ones; their gradients stand in test_gradients.py."""

import numpy as np
import pytest
import torch
from aurorascope.sae.active import Active
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.sae.auxk import AuxK
from aurorascope.sae.initial import initial_weights
from aurorascope.sae.selection import largest

from tests.sae.losses import SPARSE, objective, random_parameters, random_rows, random_weights

D, H, N = 24, 192, 70
EACH = pytest.mark.parametrize("kind", SPARSE)


def computed(kind, x=None, weight=None, dead=(), bias=0.0, **settings):
    """An objective after one batch, and its terms."""
    parameters = random_parameters(kind, D, H, dtype=torch.float32)
    parameters["b_enc"] += bias
    auxk = AuxK(4)
    auxk.dead_i = torch.tensor(dead, dtype=torch.int64)
    made = objective(kind, parameters, auxk, rows=32, **settings)
    with torch.inference_mode():
        terms = made.compute(random_rows(N, D, dtype=torch.float32) if x is None else x, weight)
    return made, terms


def same_bits(one, other):
    return torch.equal(one.on_h, other.on_h) and all(torch.equal(g, other.grads[name]) for name, g in one.grads.items())


@pytest.fixture
def active():
    """Entries of random rows, one of which and one latent of which have none, and the same matrix in full."""
    z_nh = torch.from_numpy(np.random.default_rng(0).standard_normal((11, 40)))
    z_nh[3], z_nh[:, 7] = 0, 0
    found = Active.of(largest(z_nh, 6, True), 11, 40)
    full_nh = torch.zeros(11, 40, dtype=torch.float64)
    full_nh[np.repeat(np.arange(11), np.diff(found.ends)), found.columns] = found.values
    assert int((full_nh != 0).sum()) == 60 and len(found.values) == 60
    return found, full_nh


def test_products_are_those_of_the_full_matrix(active):
    """With weights, at the entries, and over rows, whole and for neighbouring latents."""
    found, full_nh = active
    W_hd, r_nd = random_rows(40, 5, 1), random_rows(11, 5, 2)
    torch.testing.assert_close(found.times(W_hd), full_nh @ W_hd)
    on_nh = full_nh != 0
    torch.testing.assert_close(found.of_product(r_nd, W_hd, 0.3), 0.3 * (r_nd @ W_hd.T)[on_nh])
    by_latent, total_hd = found.by_latent(), random_rows(40, 5, 3)
    expected = total_hd + 0.7 * full_nh.T @ r_nd
    by_latent.add_product(total_hd, found.values, r_nd, 0.7)
    torch.testing.assert_close(total_hd, expected)
    torch.testing.assert_close(found.total(found.values), full_nh.sum(0))
    assert np.diff(by_latent.ends).tolist() == on_nh.sum(0).tolist()
    for latents in (slice(0, 7), slice(7, 8), slice(8, 40)):
        part, which = found.part(latents)
        torch.testing.assert_close(part.times(W_hd[latents]), full_nh[:, latents] @ W_hd[latents])
        assert torch.equal(part.values, found.values[which])
        part_hd = torch.zeros(latents.stop - latents.start, 5, dtype=torch.float64)
        by_latent.of(latents).add_product(part_hd, found.values, r_nd)
        torch.testing.assert_close(part_hd, full_nh[:, latents].T @ r_nd)


@EACH
# The four of six dead that AuxK keeps are few enough to be sparse, or are not.
@pytest.mark.parametrize(("dead", "densest"), [((), 0.5), ((1, 5, 77, 100, 101, 190), 0.5), ((1, 5, 77, 100, 101, 190), 0.7)])
@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_and_dense_agree_to_rounding(kind, dead, densest, weighted):
    """In float32, the same latents are on, and gradients differ by rounding."""
    weight = random_weights(N, dtype=torch.float32) if weighted else None
    (sparse, terms), (dense, expected) = (computed(kind, None, weight, dead, densest=share) for share in (densest, 0.0))
    assert torch.equal(sparse.on_h, dense.on_h)
    assert any(not torch.equal(gradient, dense.grads[name]) for name, gradient in sparse.grads.items())
    for name, gradient in sparse.grads.items():
        most = float(dense.grads[name].abs().max())
        torch.testing.assert_close(gradient, dense.grads[name], rtol=0, atol=2e-6 * most)
    for name, value in vars(terms).items():
        torch.testing.assert_close(value, vars(expected)[name], rtol=1e-5, atol=0)


@EACH
def test_threads_change_no_bit(kind):
    """Each sum is one thread's; wide enough for torch and MKL to share the work."""
    extra = ARCHITECTURES[kind.partition(", ")[0]].objective_class().extra_parameters(64, 512)
    parameters, found = {**initial_weights(64, 512, 0, 0), **extra}, []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        made = objective(kind, parameters, rows=512, target_l0=16)
        z_nh = torch.from_numpy(np.random.default_rng(1).standard_normal((512, 512), np.float32))
        # The dense product is the BLAS's, which may round otherwise.
        made._encode = lambda xc_nd, out, z_nh=z_nh: z_nh[: len(xc_nd)].clone()
        with torch.inference_mode():
            made.compute(random_rows(512, 64, dtype=torch.float32))
        found.append(made)
    torch.set_num_threads(1)
    assert same_bits(*found)


@EACH
def test_the_number_kept_chooses_the_products(kind):
    """Up to the density they are sparse and above it dense, in the growing phase as at its end."""
    at = {"target_l0": 16.0, "growth": 0.5}
    share = 8.5 / H
    for progress, is_sparse in ((0.1, True), (0.24, True), (0.26, False), (0.9, False)):
        found = []
        for densest in (share, 1.0, 0.0):
            made = objective(kind, random_parameters(kind, D, H, dtype=torch.float32), rows=32, densest=densest, **at)
            made.progress = progress
            with torch.inference_mode():
                made.compute(random_rows(N, D, dtype=torch.float32))
            found.append(made)
        chosen, sparse, dense = found
        assert same_bits(chosen, sparse if is_sparse else dense) and not same_bits(chosen, dense if is_sparse else sparse)


@EACH
def test_nothing_on_is_no_error(kind):
    """No gradient but that of b_dec through the residual."""
    made, terms = computed(kind, bias=-1e3 if "abs" not in kind else 0.0, x=torch.zeros(N, D) if "abs" in kind else None)
    if "abs" in kind:
        made.parameters["b_enc"].zero_()
        made.parameters["b_dec"].zero_()
        with torch.inference_mode():
            terms = made.compute(torch.zeros(N, D))
    assert float(terms.l0) == 0 and not made.on_h.any()
    assert not made.grads["W_dec"].any() and not made.grads["W_enc"].any() and not made.grads["b_enc"].any()


@EACH
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_activations_that_are_not_finite_reach_the_gradient(kind, value):
    """As dense products pass them on: training ends with a word of it."""
    x = random_rows(N, D, dtype=torch.float32)
    x[5, 3] = value
    for given in ({}, {"densest": 0.0}):
        made, terms = computed(kind, x, **given)
        assert not torch.isfinite(made.grads["b_dec"]).all() and not torch.isfinite(terms.mse)


@EACH
def test_bfloat16_stays_dense(kind):
    """Whatever the density."""
    assert same_bits(computed(kind, precision="bfloat16")[0], computed(kind, precision="bfloat16", densest=0.0)[0])
