import numpy as np
import pytest
import torch
from aurorascope.sae.initial import initial_weights

KINDS = pytest.mark.parametrize("kind", ["scaled", "tied", "active_subspace"])


def covariance(d=8, rank=3, rest=1e-3):
    """(d, d), all but a small rest of the variance in `rank` random directions; and the projector on those."""
    vectors = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0]
    values = np.where(np.arange(d) < rank, 1.0, rest)
    return (vectors * values) @ vectors.T, vectors[:, :rank] @ vectors[:, :rank].T


def made(kind, d=8, h=64, seed=0, depth_index=5):
    return initial_weights(d, h, seed, depth_index, kind, covariance(d)[0])


@KINDS
def test_tied_unit_rows(kind):
    """W_dec has rows of unit norm, W_enc is its transpose (scaled: times 2 d / h), biases are zero; float32, contiguous."""
    weights = made(kind)
    torch.testing.assert_close(weights["W_dec"].norm(dim=1), torch.ones(64))
    torch.testing.assert_close(weights["W_enc"], weights["W_dec"].T * (0.25 if kind == "scaled" else 1.0))
    assert not weights["b_enc"].any() and not weights["b_dec"].any()
    shapes = {"W_enc": (8, 64), "b_enc": (64,), "W_dec": (64, 8), "b_dec": (8,)}
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == shapes
    assert all(tensor.dtype == torch.float32 and tensor.is_contiguous() for tensor in weights.values())
    weights["W_dec"].zero_()
    assert weights["W_enc"].any()


@KINDS
def test_seed_and_block_alone(kind):
    """The same seed and block give the same bits, whatever else was drawn; any other pair gives others."""
    draws = {made(kind, 4, 8, s, b)["W_dec"].numpy().tobytes() for s in range(4) for b in range(48)}
    assert len(draws) == 4 * 48
    torch.manual_seed(1)
    np.random.seed(1)
    assert made(kind, 4, 8, 3, 47)["W_dec"].numpy().tobytes() in draws


def test_scaled_reconstructs_on_average():
    """With half of the latents on, the first reconstruction of random tokens has the right size; tied overshoots."""
    x = torch.randn(2000, 16, generator=torch.Generator().manual_seed(0))
    slopes = {}
    for kind in ("scaled", "tied"):
        weights = initial_weights(16, 128, 0, 0, kind)
        x_hat = torch.relu(x @ weights["W_enc"]) @ weights["W_dec"]
        slopes[kind] = float((x * x_hat).sum() / x.square().sum())
    assert slopes["scaled"] == pytest.approx(1, abs=0.05) and slopes["tied"] == pytest.approx(4, abs=0.2)


def test_active_subspace():
    """Rows lie in the span of the fewest eigenvectors that hold 95 % of the variance, and fill it."""
    matrix, projector = covariance()
    rows = initial_weights(8, 64, 0, 0, "active_subspace", matrix)["W_dec"]
    torch.testing.assert_close(rows @ torch.from_numpy(projector).float(), rows, rtol=0, atol=1e-5)
    assert torch.linalg.matrix_rank(rows, rtol=1e-4) == 3


@pytest.mark.parametrize(
    ("values", "rank"), [([95, 4, 1], 1), ([94, 5, 1], 2), ([1, 0, 0], 1), ([1, 1, 1], 3), ([50, 44, 6], 3)]
)
def test_rank_of_the_active_subspace(values, rank):
    """The fewest leading directions whose share of the variance is at least 95 %."""
    rows = initial_weights(3, 12, 0, 0, "active_subspace", np.diag(np.array(values, float)))["W_dec"]
    assert torch.linalg.matrix_rank(rows, rtol=1e-4) == rank
    assert not rows[:, rank:].any()
