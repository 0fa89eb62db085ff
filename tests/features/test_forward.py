"""A released autoencoder computed by the features that are on, beside `AuroraSAE` itself."""

import numpy as np
import pytest
import torch
from aurorascope.features import forward
from aurorascope.features.strongest import strongest
from aurorascope.measures.held_out.sums import Means, Sums
from aurorascope.sae.active import Active
from aurorascope.sae.aurora_sae import AuroraSAE

D, H, N = 12, 96, 60
EXTRAS = {
    "topk": {"k": torch.tensor(5)},
    "abstopk": {"k": torch.tensor(5), "signed": torch.tensor(True)},
    "jumprelu": {"threshold": torch.linspace(1.5, 2.5, H)},
    "matching_pursuit": {"k": torch.tensor(5), "pursuit": torch.tensor(True)},
}
SPARSE = pytest.mark.parametrize("form", EXTRAS)


def made(**extras):
    """An autoencoder in which some features are twins, so that equal pre-activations meet."""
    rng = np.random.default_rng(3)
    weights = {"W_enc": (D, H), "b_enc": (H,), "W_dec": (H, D), "b_dec": (D,)}
    tensors = {name: torch.from_numpy(rng.standard_normal(shape, np.float32) / 3) for name, shape in weights.items()}
    for name in ("W_enc", "b_enc"):
        tensors[name][..., 40:60] = tensors[name][..., 60:80]
    if "pursuit" in extras:
        tensors["W_dec"] = torch.nn.functional.normalize(tensors["W_enc"].T, dim=1)
        tensors |= {"W_enc": tensors["W_dec"].T.contiguous(), "b_enc": torch.zeros(H)}
    return AuroraSAE.from_tensors({**tensors, **extras})


def rows(n=N):
    x_nd = torch.from_numpy(np.random.default_rng(4).standard_normal((n, D), np.float32))
    x_nd[7] = 0
    return x_nd


def dense(active):
    full_nh = torch.zeros(len(active.ends) - 1, active.h)
    full_nh[active.rows(), active.columns] = active.values
    return full_nh


@SPARSE
def test_features_are_those_of_the_autoencoder_to_the_bit(form):
    """Twins at the k-th place included; the reconstruction to rounding."""
    sae = made(**EXTRAS[form])
    assert sae.architecture == form
    with torch.inference_mode():
        expected_nd, expected_nh = sae(rows())
        x_hat_nd, active = forward.reconstruct(sae, rows())
        again = forward.encode(sae, rows())
    assert isinstance(active, Active) and 0 < len(active.values) < forward.DENSEST * N * H
    for found in (active, again):
        assert torch.equal(dense(found), expected_nh)
    torch.testing.assert_close(x_hat_nd, expected_nd, rtol=1e-5, atol=1e-5)


@SPARSE
def test_all_that_is_asked_of_features_is_the_same_of_entries(form):
    """Counts, the strongest, some by number, and the sums of an evaluation."""
    sae = made(**EXTRAS[form])
    with torch.inference_mode():
        active, full_nh = forward.encode(sae, rows()), sae.encode(rows())
    assert forward.count_on(active).tolist() == forward.count_on(full_nh).tolist()
    chosen = [int(active.columns[0]), 0, 95, int(active.columns[-1])]
    np.testing.assert_array_equal(forward.of_chosen(active, chosen), forward.of_chosen(full_nh, chosen))
    for k in (1, 4, 30):
        for found, expected in zip(strongest(active, k), strongest(full_nh, k), strict=True):
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)
    x_nd, zeros = rows().numpy(), np.zeros((N, D))
    one, other = (Sums(np.arange(N) % 3, np.ones(N), Means(zeros[0], zeros[0], zeros, zeros[0]), H) for _ in range(2))
    one.add(x_nd, x_nd / 2, active)
    other.add(x_nd, x_nd / 2, full_nh.numpy())
    for name in ("fired_h", "l0_counts"):
        assert one.totals[name].tolist() == other.totals[name].tolist()
    assert one.scalars == pytest.approx(other.scalars, rel=1e-12)


def test_where_many_are_on_it_is_the_dense_product_itself():
    """ReLU, a large k, a low threshold: bits of `AuroraSAE`."""
    for extras in ({}, {"k": torch.tensor(13)}, {"threshold": torch.zeros(H)}):
        sae = made(**extras)
        with torch.inference_mode():
            x_hat_nd, h_nh = forward.reconstruct(sae, rows())
            expected_nd, expected_nh = sae(rows())
        assert torch.equal(x_hat_nd, expected_nd) and torch.equal(h_nh, expected_nh)


def test_portable_numbers_come_from_dense_products(monkeypatch):
    """Their kernels are settled, those of sparse products are not."""
    monkeypatch.setattr(forward, "are_replaced", lambda: True)
    with torch.inference_mode():
        assert isinstance(forward.encode(made(**EXTRAS["topk"]), rows()), torch.Tensor)
