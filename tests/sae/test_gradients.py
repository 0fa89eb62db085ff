import pytest
import torch
from aurorascope.sae.auxk import ALPHA, AuxK
from aurorascope.sae.control import follow
from aurorascope.sae.relu import ANNEAL_FROM
from hypothesis import given
from hypothesis import strategies as st

from tests.sae.losses import STEPS, documented, objective, random_parameters, random_rows, random_weights

N, D, H = 50, 5, 20
DEAD = torch.tensor([2, 3, 7, 11, 18])
OFFSET = torch.linspace(-3, 4, D, dtype=torch.float64)
VARIANTS = {
    "plain": {},
    "weighted": {"weighted": True},
    "centred": {"mean": OFFSET, "scale": 1.7},
    "auxk, few kept": {"dead": DEAD, "k_aux": 2},
    "auxk, all kept": {"dead": DEAD, "k_aux": 9},
    "everything": {"weighted": True, "mean": OFFSET, "scale": 0.4, "dead": DEAD, "k_aux": 2, "aux_weight": 0.7},
}


def build(kind, parameters, rows, mean=None, scale=1.0, dead=None, k_aux=None, aux_weight=ALPHA, **settings):
    auxk = None
    if dead is not None:
        auxk = AuxK(k_aux, aux_weight)
        auxk.dead_i = dead
    made = objective(kind, parameters, auxk, rows=rows, **settings)
    if mean is not None:
        made.centre(mean, scale)
    return made


def by_autograd(kind, parameters, x, **options):
    """Gradients and terms of the documented loss."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in parameters.items()}
    loss, *terms = documented(kind, leaves, x, **options)
    loss.backward()
    return {name: leaf.grad for name, leaf in leaves.items()}, terms


def agree(found, terms, on_h, expected, expected_terms):
    for name, gradient in expected.items():
        # A parameter that nothing reads has no gradient in PyTorch, and zeros here.
        gradient = torch.zeros_like(found[name]) if gradient is None else gradient
        torch.testing.assert_close(found[name], gradient, rtol=1e-10, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")
    for value, term in zip((terms.mse, terms.sparsity, terms.l0, terms.aux), expected_terms, strict=True):
        assert float(value) == pytest.approx(float(term.detach()), rel=1e-12)


def compare(kind, n, d, h, rows, weighted=False, **options):
    x = random_rows(n, d, seed=n)
    if "mean" in options:
        options["mean"] = options["mean"][:d]
        x = options["mean"] + options["scale"] * x
    weight = random_weights(n) if weighted else None
    parameters = random_parameters(kind, d, h, seed=n)
    made = build(kind, parameters, rows, **options)
    with torch.inference_mode():
        terms = made.compute(x, weight)
    expected, expected_terms = by_autograd(kind, parameters, x, weight=weight, **options)
    agree(made.grads, terms, made.on_h, expected, expected_terms)


@pytest.mark.parametrize("rows", [N, 16])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", STEPS)
def test_gradient_is_that_of_the_documented_loss(kind, variant, rows):
    """In float64 the hand-written gradient and the terms are those of autograd, in inference mode, without a graph."""
    compare(kind, N, D, H, rows, **VARIANTS[variant])


@pytest.mark.parametrize(("n", "d", "h", "rows"), [(7, 8, 24, 100), (1, 4, 12, 1), (33, 1, 4, 32), (40, 16, 8, 7)])
@pytest.mark.parametrize("kind", STEPS)
def test_gradient_at_other_sizes(kind, n, d, h, rows):
    """One row, one channel, fewer latents than channels, a micro-batch larger than the batch."""
    compare(kind, n, d, h, rows, weighted=True)


@pytest.mark.parametrize("kind", ["relu", "jumprelu", "gated"])
def test_gradient_without_sparsity(kind):
    """A weight of zero is no penalty."""
    compare(kind, N, D, H, 16, sparsity=0.0)


def _p_annealed(progress, p_end):
    return 1 - max(0.0, progress - ANNEAL_FROM) / (1 - ANNEAL_FROM) * (1 - p_end)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("progress", "p_end"), [(0.5, 0.2), (0.6, 0.2), (1.0, 0.2), (0.9, 1.0), (1.0, 0.0)])
def test_p_annealing(progress, p_end, weighted):
    """Past the middle of training the penalty is that of h^p, p falling to its end."""
    parameters, x = random_parameters("relu", D, H), random_rows(N, D)
    weight = random_weights(N) if weighted else None
    made = build("relu", parameters, 16, p_end=p_end)
    made.progress = progress
    with torch.inference_mode():
        terms = made.compute(x, weight)
    exponent = _p_annealed(progress, p_end)
    expected, expected_terms = by_autograd("relu", parameters, x, weight=weight, exponent=exponent)
    agree(made.grads, terms, made.on_h, expected, expected_terms)


@pytest.mark.parametrize("kind", ["relu", "gated"])
def test_a_controlled_weight_moves_after_its_batch(kind):
    """Each batch's gradient has the weight from before it; the next one has the weight that followed its L0."""
    parameters, x = random_parameters(kind, D, H), random_rows(N, D)
    made = build(kind, parameters, 16, target_l0=6.0)
    for _ in range(3):
        weight, followed = float(made.sparsity_weight()), {name: tensor.clone() for name, tensor in made.state.items()}
        with torch.inference_mode():
            terms = made.compute(x)
            follow(followed["sparsity"], followed["excess"], terms.l0, 6.0, made.settings.n_steps)
        expected, expected_terms = by_autograd(kind, parameters, x, sparsity=weight)
        agree(made.grads, terms, made.on_h, expected, expected_terms)
        assert 6 < float(terms.l0) < 15
        assert float(made.sparsity_weight()) == float(followed["sparsity"]) != weight


@pytest.mark.parametrize("kind", STEPS)
def test_micro_batches_do_not_matter(kind):
    """Cut into parts of any size, gradients, terms, counts and state are the same."""
    n, mean = 37, torch.full((D,), 2.0, dtype=torch.float64)
    parameters, x, weight = random_parameters(kind, D, H), random_rows(n, D), random_weights(n)
    results = []
    for rows in (n, 1, 4, 16, 100):
        made = build(kind, parameters, rows, mean=mean, scale=1.3, dead=DEAD, k_aux=2)
        with torch.inference_mode():
            results.append((made.grads, vars(made.compute(x, weight)), made.on_h, made.state))
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", STEPS)
@given(seed=st.integers(0, 1000), n=st.integers(1, 40), rows=st.integers(1, 45))
def test_any_batch_in_any_parts(kind, seed, n, rows):
    """For random weights, rows and sizes the gradient is that of the documented loss."""
    parameters, x = random_parameters(kind, 4, 12, seed), random_rows(n, 4, seed)
    made = build(kind, parameters, rows)
    with torch.inference_mode():
        terms = made.compute(x)
    agree(made.grads, terms, made.on_h, *by_autograd(kind, parameters, x))
