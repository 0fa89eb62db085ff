import pytest
import torch
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.sae.aurora_sae import AuroraSAE, architecture_of
from aurorascope.sae.fold import fold

from tests.sae.losses import KINDS, features, forward, objective, random_parameters, random_rows

D, H, N = 8, 32, 200
MEAN = torch.linspace(-5, 20, D)


def trained(kind, mean=None, scale=1.0):
    """An objective that has seen one batch, and that batch."""
    made = objective(kind, random_parameters(kind, D, H, dtype=torch.float32), rows=64)
    x = random_rows(N, D, dtype=torch.float32)
    if mean is not None:
        x = mean + scale * x
        made.centre(mean, scale)
    with torch.inference_mode():
        made.compute(x)
    return made, x


def opened(made, x, mean=None, scale=1.0):
    tensors = made.release()
    sae = AuroraSAE.from_tensors(tensors if mean is None else fold(tensors, mean, scale))
    with torch.inference_mode():
        return sae(x)


@pytest.mark.parametrize(("mean", "scale"), [(None, 1.0), (MEAN, 1.0), (MEAN, 0.02), (MEAN, 30.0)])
@pytest.mark.parametrize("kind", KINDS)
def test_release_computes_what_training_did(kind, mean, scale):
    """The published module gives training's latents, the same ones on, and its reconstruction, in raw units."""
    made, x = trained(kind, mean, scale)
    f_nh, r_nd = forward(made, x)
    x_hat, features_nh = opened(made, x, mean, scale)
    assert torch.equal(features_nh != 0, f_nh != 0)
    size = scale * float(f_nh.abs().max()) + (0 if mean is None else float(mean.abs().max()))
    torch.testing.assert_close(features_nh, scale * f_nh, rtol=0, atol=3e-6 * size)
    torch.testing.assert_close(x_hat, x + scale * r_nd, rtol=0, atol=1e-5 * size)


@pytest.mark.parametrize("kind", KINDS)
def test_form_of_a_release(kind):
    """Known to the published module, float32, and not the memory that training goes on writing to."""
    made, _ = trained(kind)
    tensors = made.release()
    assert architecture_of(tensors, kind) == ARCHITECTURES[kind].released_as
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    for tensor in (*made.parameters.values(), *made.state.values()):
        tensor.add_(1)
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors.items())


def test_gated_is_a_jumprelu():
    """In float64 by the paper's formula: gates with either sign, biases that would be on where the gate is off."""
    parameters = random_parameters("gated", D, H)
    x = random_rows(2000, D)
    expected, pi = features("gated", parameters, x - parameters["b_dec"])
    tensors = objective("gated", parameters).release()
    z = (x - tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"]
    torch.testing.assert_close(torch.where(z > tensors["threshold"], z, 0.0), expected, rtol=1e-10, atol=1e-12)
    assert ((z > 0) & (pi < 0)).any() and ((z < 0) & (pi > 0)).any()


def test_abstopk_keeps_both_signs():
    """k latents a token, about half of them negative, each the pre-activation itself."""
    made, x = trained("abstopk")
    _, features_nh = opened(made, x)
    assert ((features_nh != 0).sum(1) == 3).all()
    assert 0.2 < float((features_nh < 0).sum() / (3 * N)) < 0.8
    p = made.parameters
    z = (x - p["b_dec"]) @ p["W_enc"] + p["b_enc"]
    on = features_nh != 0
    torch.testing.assert_close(features_nh[on], z[on], rtol=1e-5, atol=1e-6)


def test_matryoshka_keeps_the_order_of_latents():
    """Row i of the release is latent i of training: prefixes keep their meaning."""
    made, _ = trained("matryoshka")
    tensors = made.release()
    for name in ("W_enc", "b_enc", "W_dec", "b_dec"):
        assert torch.equal(tensors[name], made.parameters[name])


@pytest.mark.parametrize("kind", ["batchtopk", "matryoshka"])
def test_threshold_of_a_release(kind):
    """The running mean of training, the same for every latent; after one batch, that batch's supports."""
    made, _ = trained(kind)
    threshold = made.release()["threshold"]
    assert threshold.shape == (H,) and (threshold == made.state["threshold"].float()).all() and threshold[0] > 0
