import numpy as np
import pytest
import torch
from aurorascope.sae.relu import NAMES, Gradient, Weights, initial_weights
from hypothesis import given
from hypothesis import strategies as st

CPU = torch.device("cpu")


@pytest.fixture
def float64():
    """Everything new is float64, the hand-written gradient's buffers included."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def random_weights(seed, d, h, dtype):
    rng = np.random.default_rng(seed)
    shapes = {"W_enc": (d, h), "b_enc": (h,), "W_dec": (h, d), "b_dec": (d,)}
    return Weights(**{name: torch.tensor(rng.standard_normal(shapes[name]), dtype=dtype) for name in NAMES})


def batch(seed, n, d, dtype):
    return torch.tensor(np.random.default_rng([7, seed]).standard_normal((n, d)), dtype=dtype)


def documented_loss(weights, x, l1_coeff):
    """The module's docstring, in PyTorch, with its terms: loss, MSE, L1, L0."""
    h = torch.relu((x - weights.b_dec) @ weights.W_enc + weights.b_enc)
    x_hat = h @ weights.W_dec + weights.b_dec
    mse, l1 = ((x_hat - x) ** 2).mean(), h.sum(1).mean()
    return mse + l1_coeff * l1, mse, l1, (h > 0).sum(1).to(x.dtype).mean(), (h > 0).sum(0)


def by_hand(weights, x, l1_coeff, rows):
    gradient = Gradient(weights, l1_coeff, rows)
    with torch.inference_mode():
        terms = gradient.compute(x)
    return gradient, terms


@pytest.mark.parametrize("l1_coeff", [0.0, 3e-4, 0.5])
@pytest.mark.parametrize(("n", "d", "h", "rows"), [(50, 5, 20, 50), (50, 5, 20, 16), (7, 8, 3, 100), (1, 4, 12, 1)])
def test_gradient_is_that_of_the_documented_loss(float64, n, d, h, rows, l1_coeff):
    """In float64 the hand-written gradient and terms are those of autograd."""
    weights, x = random_weights(n, d, h, torch.float64), batch(n, n, d, torch.float64)
    gradient, (mse, l1, l0) = by_hand(weights, x, l1_coeff, rows)
    leaves = Weights(*(t.clone().requires_grad_() for t in weights.tensors()))
    loss, *terms, fired = documented_loss(leaves, x, l1_coeff)
    loss.backward()
    for name in NAMES:
        expected = getattr(leaves, name).grad
        torch.testing.assert_close(getattr(gradient.grads, name), expected, rtol=1e-10, atol=1e-13)
    for found, expected in zip((mse, l1, l0), terms, strict=True):
        assert float(found) == pytest.approx(float(expected.detach()), rel=1e-12)
    assert gradient.fired_h.tolist() == fired.tolist()


@given(st.integers(0, 50), st.integers(1, 40), st.integers(1, 45))
def test_gradient_does_not_depend_on_the_micro_batch(seed, n, rows):
    """Cut into parts of any size, the gradient is the same up to rounding, also in float32."""
    weights, x = random_weights(seed, 6, 18, torch.float32), batch(seed, n, 6, torch.float32)
    whole, terms = by_hand(weights, x, 0.1, n)
    parts, part_terms = by_hand(weights, x, 0.1, rows)
    for name in NAMES:
        torch.testing.assert_close(getattr(parts.grads, name), getattr(whole.grads, name), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(part_terms, terms, rtol=1e-5, atol=1e-6)
    assert torch.equal(parts.fired_h, whole.fired_h)


def test_a_second_batch_starts_from_zero():
    """Buffers are reused, but nothing of an earlier batch remains, whatever its size."""
    weights = random_weights(0, 6, 18, torch.float32)
    gradient = Gradient(weights, 0.1, 16)
    with torch.inference_mode():
        gradient.compute(batch(1, 40, 6, torch.float32) * 100)
        gradient.compute(batch(2, 23, 6, torch.float32))
    fresh, _ = by_hand(weights, batch(2, 23, 6, torch.float32), 0.1, 16)
    for found, expected in zip(gradient.grads.tensors(), fresh.grads.tensors(), strict=True):
        assert torch.equal(found, expected)
    assert torch.equal(gradient.fired_h, fresh.fired_h)


def test_neither_weights_nor_batch_are_changed():
    """The gradient reads its inputs only."""
    weights, x = random_weights(0, 6, 18, torch.float32), batch(0, 20, 6, torch.float32)
    before = [t.clone() for t in (*weights.tensors(), x)]
    by_hand(weights, x, 0.1, 8)
    assert all(torch.equal(a, b) for a, b in zip((*weights.tensors(), x), before, strict=True))


def test_silent_latents_have_no_gradient():
    """A latent that fires on no token moves neither its reading nor its writing direction, nor by the L1 term."""
    weights, x = random_weights(0, 6, 18, torch.float32), batch(0, 20, 6, torch.float32)
    weights.b_enc[3] = -1e6
    gradient, _ = by_hand(weights, x, 0.1, 20)
    assert gradient.fired_h[3] == 0
    assert not gradient.grads.W_enc[:, 3].any() and not gradient.grads.W_dec[3].any() and gradient.grads.b_enc[3] == 0


def test_initial_weights_are_tied_unit_rows():
    """W_dec has rows of unit norm, W_enc is its transpose times 2 d / h, biases are zero; all float32, contiguous."""
    weights = initial_weights(8, 64, 0, 5, CPU)
    torch.testing.assert_close(weights.W_dec.norm(dim=1), torch.ones(64))
    assert torch.equal(weights.W_enc, weights.W_dec.T * 0.25)
    assert not weights.b_enc.any() and not weights.b_dec.any()
    assert all(t.dtype == torch.float32 and t.is_contiguous() for t in weights.tensors())
    weights.W_dec.zero_()
    assert weights.W_enc.any()


def test_initial_weights_depend_on_seed_and_block_alone():
    """The same seed and block give the same bits; any other pair gives others."""
    draws = {initial_weights(4, 8, s, b, CPU).W_dec.numpy().tobytes() for s in range(4) for b in range(48)}
    assert len(draws) == 4 * 48
    again = initial_weights(4, 8, 3, 47, CPU).W_dec.numpy().tobytes()
    assert again in draws
