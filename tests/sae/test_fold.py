import pytest
import torch
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.fold import fold
from hypothesis import given
from hypothesis import strategies as st

from tests.architectures import ARCHITECTURES, of


def wide(tensors):
    return {name: t.double() if t.is_floating_point() else t for name, t in tensors.items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_closed_form(architecture):
    """By hand: biases and threshold times 2, the mean on b_dec, the rest untouched."""
    tensors = of(architecture)
    mean = torch.arange(6.0)
    folded = fold(tensors, mean, 2.0)
    assert set(folded) == set(tensors)
    for name in set(tensors) - {"b_enc", "b_dec", "threshold"}:
        assert torch.equal(folded[name], tensors[name]) and folded[name].dtype == tensors[name].dtype
    assert torch.equal(folded["b_enc"], 2 * tensors["b_enc"])
    torch.testing.assert_close(folded["b_dec"], 2 * tensors["b_dec"] + mean)
    if architecture == "jumprelu":
        assert torch.equal(folded["threshold"], 2 * tensors["threshold"])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@given(seed=st.integers(0, 2**20), scale=st.floats(1e-3, 1e3), size=st.floats(0, 100))
def test_folded_equals_trained(architecture, seed, scale, size):
    """On raw data the folded SAE gives the trained one's features times s and its reconstruction in raw units."""
    tensors = of(architecture, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    mean = size * scale * torch.randn(6, generator=generator)
    x = mean + scale * torch.randn(20, 6, generator=generator)
    # The trained SAE in float64, from the same float32 input: the difference is the folded one's arithmetic.
    trained = AuroraSAE.from_tensors(tensors).double()
    with torch.no_grad():
        x_hat, h = trained((x.double() - mean.double()) / scale)
        found_x_hat, found_h = AuroraSAE.from_tensors(fold(tensors, mean, scale))(x)
    largest = float(h.abs().max()) * scale
    # float32 holds x to 6e-8 of its mean, and so no feature better than that.
    tolerance = 1e-6 * largest + 1e-6 * float(x.abs().max())
    differ = (found_h - scale * h).abs()
    # A pre-activation within rounding of the boundary may fall on either side: there alone supports may differ.
    assert (differ <= tolerance).double().mean() > 0.99
    if (differ <= tolerance).all():
        assert float((found_x_hat - (scale * x_hat + mean)).abs().max()) <= 30 * tolerance


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_large_mean_and_scale_keep_the_support(architecture):
    """Mean 1e2 and scale 30: errors at float32's rounding, no feature switched on or off."""
    tensors = of(architecture, d=16)
    generator = torch.Generator().manual_seed(7)
    mean = 1e2 * (1 + torch.rand(16, generator=generator))
    x = mean + 30 * torch.randn(200, 16, generator=generator)
    with torch.no_grad():
        x_hat, h = AuroraSAE.from_tensors(tensors).double()((x.double() - mean.double()) / 30)
        found_x_hat, found_h = AuroraSAE.from_tensors(fold(tensors, mean, 30))(x)
    assert torch.equal(found_h != 0, h != 0)
    assert float((found_h - 30 * h).abs().max() / (30 * h).abs().max()) <= 1e-6
    assert float((found_x_hat - (30 * x_hat + mean)).abs().max() / (30 * x_hat + mean).abs().max()) <= 1e-6


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_identity_and_inverse(architecture):
    """Mean 0 and scale 1 change nothing; a fold by a power of two is undone exactly; two folds are one."""
    tensors = of(architecture)
    zero, mean = torch.zeros(6), torch.randn(6)
    same = fold(tensors, zero, 1)
    back = fold(fold(tensors, zero, 8), zero, 1 / 8)
    for name, tensor in tensors.items():
        assert torch.equal(same[name], tensor) and torch.equal(back[name], tensor)
    twice, once = fold(fold(tensors, mean, 3), mean, 5), fold(tensors, 6 * mean, 15)
    for name, tensor in once.items():
        torch.testing.assert_close(twice[name], tensor, rtol=1e-6, atol=1e-5)


def test_form_of_the_result():
    """float32, contiguous, own memory; float64 weights are taken, rows of W_dec keep their norm."""
    tensors = wide(of("jumprelu"))
    tensors["W_enc"] = tensors["W_enc"].T.contiguous().T
    tensors["W_dec"] /= tensors["W_dec"].norm(dim=1, keepdim=True)
    folded = fold(tensors, torch.ones(6, dtype=torch.float64), 0.3)
    for name, tensor in folded.items():
        assert tensor.dtype == torch.float32 and tensor.is_contiguous()
        assert tensor.data_ptr() != tensors[name].data_ptr()
    torch.testing.assert_close(folded["W_dec"].norm(dim=1), torch.ones(24))
    same = of("relu")
    assert fold(same, torch.zeros(6), 1)["W_enc"].data_ptr() != same["W_enc"].data_ptr()


def test_arithmetic_is_float64():
    """s b_dec + mean is rounded once: in float32 the two cancel to zero here."""
    tensors = of("relu", d=1)
    tensors["b_dec"] = torch.tensor([1 + 2.0**-23])
    scale = 1 - 2.0**-23
    assert float(fold(tensors, torch.tensor([-1.0]), scale)["b_dec"]) == pytest.approx(-(2.0**-46), rel=1e-3, abs=0)


@pytest.mark.parametrize("scale", [0, -1.0, float("nan"), float("inf"), -0.0])
def test_bad_scale_is_refused(scale):
    with pytest.raises(ValueError, match="scale"):
        fold(of("relu"), torch.zeros(6), scale)


@pytest.mark.parametrize(
    "mean",
    [torch.zeros(1), torch.zeros(()), torch.zeros(7), torch.zeros(1, 6), torch.full((6,), torch.nan)],
    ids=["one", "scalar", "longer", "an axis more", "NaN"],
)
def test_bad_mean_is_refused(mean):
    """No broadcasting: one number is not a mean of six channels."""
    with pytest.raises(ValueError, match="mean_d"):
        fold(of("relu"), mean, 2.0)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("b_dec"),
        lambda t: t.pop("W_enc"),
        lambda t: t.update(extra=torch.zeros(3)),
        lambda t: t.update(b_enc=torch.full((24,), 1e38)),
        lambda t: t["W_dec"].fill_(torch.nan),
    ],
    ids=["no b_dec", "no W_enc", "unknown", "overflow", "NaN"],
)
def test_bad_tensors_are_refused(change):
    tensors = of("topk")
    change(tensors)
    with pytest.raises(ValueError, match="fold: expected"):
        fold(tensors, torch.zeros(6), 10.0)
