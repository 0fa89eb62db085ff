import pytest
import torch
from aurorascope.sae import batchtopk
from aurorascope.sae.auxk import AuxK
from torch.utils._python_dispatch import TorchDispatchMode

from tests.sae.losses import (
    KINDS,
    STEPS,
    UNREAD,
    forward,
    moved,
    objective,
    random_parameters,
    random_rows,
    random_weights,
)

D, H = 32, 64


def computed(made, x, weight=None):
    with torch.inference_mode():
        return made.compute(x, weight)


def cosine(a, b):
    return float(torch.nn.functional.cosine_similarity(a.double().flatten(), b.double().flatten(), dim=0))


class Watch(TorchDispatchMode):
    """Notes multiply-adds of matrix products and operations that wait for the device.

    Under no_grad, since inference mode shows composite operations whole.
    """

    WAITING = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero", "masked_select", "_unique2")

    def __init__(self):
        super().__init__()
        self.products, self.waits = 0, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.split("::")[1]
        if name in ("mm", "addmm", "addmm_") and args[-2].layout == torch.strided:
            a, b = args[-2:]
            self.products += a.shape[0] * a.shape[1] * b.shape[1]
        if name in self.WAITING:
            self.waits.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("n", "rows"), [(96, 96), (100, 32)])
@pytest.mark.parametrize("kind", STEPS)
def test_five_products_and_no_wait(kind, n, rows):
    """Dense arithmetic is five products, seven for gated, two and three for each of hierarchical's three budgets, one where the
    others are sparse; one more on the sampled tokens where a threshold is sought and the batch is not one micro-batch. A pursuit has
    one, and that of the directions with each other."""
    made = objective(kind, random_parameters(kind, D, H, dtype=torch.float32), rows=rows)
    x, weight = random_rows(n, D, dtype=torch.float32), random_weights(n, dtype=torch.float32)
    with torch.no_grad(), Watch() as watch:
        terms = made.compute(x, weight)
    name, _, sparse = kind.partition(", ")
    dense = (1 if sparse else {"gated": 7, "hierarchical": 11}.get(name, 5)) + (name in ("batchtopk", "matryoshka") and n > rows)
    expected = n * D * H + H * D * H if kind == "matching_pursuit" else dense * n * D * H
    assert watch.products == expected
    assert watch.waits == []
    assert all(value.ndim == 0 for value in vars(terms).values())


def test_the_watch_sees_a_wait():
    """What the test above relies on."""
    with torch.no_grad(), Watch() as watch:
        float(torch.ones(()))
        torch.ones(3).nonzero()
        torch.ones(2, 3) @ torch.ones(3, 4)
    assert watch.waits == ["_local_scalar_dense", "nonzero"] and watch.products == 24


def test_the_sample_bounds_the_extra_product(monkeypatch):
    """On a large batch the threshold's product is that of the sampled tokens alone."""
    monkeypatch.setattr(batchtopk, "SAMPLE", 50)
    made = objective("batchtopk", random_parameters("batchtopk", D, H, dtype=torch.float32), rows=64)
    with torch.no_grad(), Watch() as watch:
        made.compute(random_rows(200, D, dtype=torch.float32))
    assert watch.products == (5 * 200 + 50) * D * H


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_gradient_points_the_same_way(kind):
    """Products of bfloat16 numbers give float32 sums, within a few percent of float32's."""
    parameters, x = random_parameters(kind, D, H, dtype=torch.float32), random_rows(2000, D, dtype=torch.float32)
    # Far from the few-latents regime: the support's flips are noise that averages out over tokens.
    full, low = (objective(kind, parameters, rows=512, precision=p) for p in ("float32", "bfloat16"))
    terms, low_terms = computed(full, x), computed(low, x)
    for name, gradient in moved(kind, full.grads).items():
        assert low.grads[name].dtype == torch.float32
        assert cosine(low.grads[name], gradient) > 0.999, name
        assert float(low.grads[name].norm() / gradient.norm()) == pytest.approx(1, abs=0.03)
    for name, value in vars(terms).items():
        assert float(vars(low_terms)[name]) == pytest.approx(float(value), rel=0.02)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", STEPS)
def test_a_large_mean_is_taken_out_before_rounding(kind, precision):
    """A mean of 1e4 spreads, which bfloat16 could not hold beside the signal, leaves the gradient as it is without one."""
    parameters, mean = random_parameters(kind, D, H, dtype=torch.float32), torch.full((D,), 1e4)
    parameters["b_dec"].zero_()
    x = mean + random_rows(2000, D, dtype=torch.float32)
    expected, found = objective(kind, parameters, rows=512), objective(kind, parameters, rows=512, precision=precision)
    found.centre(mean, 1.0)
    computed(expected, x - mean)
    computed(found, x)
    # What is left of 1e4 is rounded by 5e-4, and a pursuit's early choice changes all later ones.
    least = 0.997 if kind == "matching_pursuit" else 0.999
    for name, gradient in moved(kind, expected.grads).items():
        assert cosine(found.grads[name], gradient) > least, name


@pytest.mark.parametrize("kind", STEPS)
def test_a_second_batch_starts_from_zero(kind):
    """Buffers are reused, but nothing of an earlier batch remains, whatever its size, but for the state."""
    parameters = random_parameters(kind, D, H, dtype=torch.float32)
    auxk = AuxK(2)
    auxk.dead_i = torch.tensor([1, 5, 6])
    used, fresh = (objective(kind, parameters, auxk, rows=16) for _ in range(2))
    x = random_rows(23, D, dtype=torch.float32)
    computed(used, 100 * random_rows(40, D, 1, torch.float32), random_weights(40, dtype=torch.float32))
    terms, fresh_terms = computed(used, x), computed(fresh, x)
    assert all(torch.equal(gradient, fresh.grads[name]) for name, gradient in used.grads.items())
    assert torch.equal(used.on_h, fresh.on_h)
    assert vars(terms) == vars(fresh_terms)


@pytest.mark.parametrize("kind", STEPS)
def test_neither_parameters_nor_batch_are_changed(kind):
    """The gradient reads its inputs only."""
    parameters, x = random_parameters(kind, D, H, dtype=torch.float32), random_rows(20, D, dtype=torch.float32)
    weight, mean = random_weights(20, dtype=torch.float32), torch.ones(D)
    auxk = AuxK(2)
    auxk.dead_i = torch.tensor([1, 5, 6])
    made = objective(kind, parameters, auxk, rows=8)
    made.centre(mean, 2.0)
    given = [*parameters.values(), x, weight, mean, auxk.dead_i]
    before = [tensor.clone() for tensor in given]
    computed(made, x, weight)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True))


@pytest.mark.parametrize("kind", STEPS)
def test_row_losses_leave_everything_as_it_is(kind):
    """Their sum over rows and channels is the batch's MSE; gradients, counts and state stay."""
    made = objective(kind, random_parameters(kind, D, H), rows=16)
    made.centre(torch.ones(D, dtype=torch.float64), 2.0)
    x = random_rows(50, D)
    terms = computed(made, x)
    kept = [*made.grads.values(), made.on_h, *made.state.values()]
    before = [tensor.clone() for tensor in kept]
    with torch.inference_mode():
        losses = made.row_losses(x)
    assert losses.shape == (50,)
    assert float(losses.sum()) == pytest.approx(float(terms.mse) * 50 * D, rel=1e-12)
    assert all(torch.equal(a, b) for a, b in zip(kept, before, strict=True))


def test_centred_is_what_the_encoder_reads():
    """(x - mean) / scale - b_dec, and x - b_dec without a mean."""
    made = objective("relu", random_parameters("relu", D, H), rows=16)
    x, mean = random_rows(5, D), random_rows(1, D, 9)[0]
    b_dec = made.parameters["b_dec"]
    torch.testing.assert_close(made.centred(x), x - b_dec)
    made.centre(mean, 3.0)
    torch.testing.assert_close(made.centred(x), (x - mean) / 3 - b_dec)


@pytest.mark.parametrize("kind", STEPS)
def test_silent_latents_have_no_gradient(kind):
    """A latent that is on for no token moves neither its directions nor its bias; with a dead one, AuxK moves both."""
    parameters = random_parameters(kind, D, H)
    parameters["W_enc"][:, 3] *= 1e-3
    bias, low = ("b_gate", -0.1) if kind == "gated" else ("b_enc", 0.05 if kind.startswith("abstopk") else -0.1)
    parameters[bias][3] = low
    parameters["W_enc"][:, 4] *= 1e-3
    parameters[bias][4] = 0.05
    if kind == "matching_pursuit":
        parameters["W_dec"][3:5] *= 1e-3
    if "threshold" in parameters:
        parameters["threshold"][3:5] = 1.0
    x, auxk = random_rows(40, D), AuxK(8)
    made = objective(kind, parameters, auxk, rows=16)
    computed(made, x)
    assert made.on_h[3] == 0
    for name, gradient in made.grads.items():
        if name != "b_dec":
            assert not gradient.movedim(0, -1)[..., 3].any() if name != "W_enc" else not gradient[:, 3].any()
    auxk.dead_i = torch.tensor([4])
    without = {name: gradient.clone() for name, gradient in made.grads.items()}
    terms = computed(made, x)
    assert float(terms.aux) > 0
    for name, places in (("relax" if "relax" in made.grads else "W_dec", (4,)), ("W_enc", (slice(None), 4)), (bias, (4,))):
        assert name in UNREAD.get(kind, ()) or (made.grads[name][places] != without[name][places]).all()


def test_no_dead_latents_is_no_loss():
    """An empty list of dead latents is none."""
    parameters, x = random_parameters("topk", D, H), random_rows(40, D)
    auxk = AuxK(8)
    auxk.dead_i = torch.zeros(0, dtype=torch.int64)
    terms = computed(objective("topk", parameters, auxk, rows=16), x)
    assert float(terms.aux) == 0


@pytest.mark.parametrize("kind", STEPS)
def test_a_zero_decoder_row_is_harmless(kind):
    """Rows of zeros, and a batch of equal rows, give finite gradients."""
    parameters = random_parameters(kind, D, H, dtype=torch.float32)
    parameters["W_dec"][5] = 0
    for x in (random_rows(40, D, dtype=torch.float32), torch.zeros(40, D)):
        made = objective(kind, parameters, rows=16)
        terms = computed(made, x)
        assert all(bool(gradient.isfinite().all()) for gradient in made.grads.values())
        assert all(bool(value.isfinite()) for value in vars(terms).values())


@pytest.mark.parametrize("kind", ["topk", "abstopk"])
def test_each_token_keeps_k(kind):
    """Exactly k of the largest, by value or by magnitude; fewer only where fewer are positive."""
    made = objective(kind, random_parameters(kind, D, H, dtype=torch.float32), rows=16)
    f_nh, _ = forward(made, random_rows(50, D, dtype=torch.float32))
    assert ((f_nh != 0).sum(1) == 3).all()
    assert bool((f_nh < 0).any()) == (kind == "abstopk")
    made.parameters["b_enc"].fill_(-1e3)
    f_nh, _ = forward(made, random_rows(50, D, dtype=torch.float32))
    assert ((f_nh != 0).sum(1) == (3 if kind == "abstopk" else 0)).all()


def test_theta_stays_at_or_above_zero():
    """After a step theta is brought back to 0, and not elsewhere."""
    made = objective("jumprelu", random_parameters("jumprelu", D, H))
    made.parameters["threshold"][:2] = torch.tensor([-0.5, 0.25])
    made.constrain()
    assert made.parameters["threshold"][:2].tolist() == [0, 0.25]


def test_l0_term_pushes_theta_towards_its_target():
    """Above the target a step along the gradient raises theta, below it lowers it."""
    parameters = random_parameters("jumprelu", D, H)
    for target, sign in ((2.0, -1), (60.0, 1)):
        made = objective("jumprelu", parameters, rows=64, target_l0=target, sparsity=1e6)
        terms = computed(made, random_rows(500, D))
        assert (float(terms.l0) > target) == (sign < 0)
        moved = sign * made.grads["threshold"]
        assert (moved >= 0).all() and (moved > 0).sum() > H / 2
