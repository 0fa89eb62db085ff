"""One dictionary for several k: budgets, what leaving a latent out costs, and what the released file does with fewer."""

import pytest
import torch
from aurorascope.blocks import BY_ID
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.budgets import budgets
from hypothesis import given
from hypothesis import strategies as st

from tests.architectures import of, tensors
from tests.sae.losses import documented, objective, random_parameters, random_rows, random_weights
from tests.sae.planted_feed import PlantedFeed
from tests.trained import train
from tests.training.settings import of as settings_of

N, D, H = 40, 6, 24
STEPS = ("hierarchical", "hierarchical, sparse")


@pytest.mark.parametrize(("k", "expected"), [(64, (8, 16, 32, 64)), (1, (1,)), (2, (1, 2)), (3, (1, 2, 3)), (10, (2, 3, 5, 10))])
def test_budgets(k, expected):
    """An eighth, a quarter, half and all, rounded up, each once."""
    assert budgets(k) == expected


@given(st.integers(1, 5000))
def test_budgets_ascend_to_k(k):
    """Never none, never more than four, k the last."""
    found = budgets(k)
    assert list(found) == sorted(set(found)) and found[-1] == k and 1 <= len(found) <= 4


def without(parameters, latent):
    """Parameters whose latent is kept as before and writes nothing."""
    W_dec = parameters["W_dec"].clone()
    W_dec[latent] = 0
    return {**parameters, "W_dec": W_dec}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rows", [N, 16])
@pytest.mark.parametrize("kind", STEPS)
def test_importance_is_what_the_loss_grows_by(kind, rows, weighted):
    """Of each latent by brute force: its direction set to zero in the documented loss, all else as it was."""
    parameters, weight = random_parameters(kind, D, H), random_weights(N) if weighted else None
    made, batches = objective(kind, parameters, rows=rows, target_l0=5), [random_rows(N, D, seed) for seed in (0, 1)]
    expected = torch.zeros(H, dtype=torch.float64)
    for x in batches:
        whole = documented(kind, parameters, x, weight=weight, target_l0=5)[0]
        for latent in range(H):
            expected[latent] += documented(kind, without(parameters, latent), x, weight=weight, target_l0=5)[0] - whole
        made.progress = 1.0
        with torch.inference_mode():
            made.compute(x, weight)
    torch.testing.assert_close(made.importance(), expected / 2, rtol=1e-9, atol=1e-12)
    assert expected.abs().max() > 0.01


@pytest.mark.parametrize("kind", STEPS)
def test_importance_is_that_of_the_last_epoch(kind):
    """Of ten steps in five epochs the last two count."""
    made = objective(kind, random_parameters(kind, D, H), rows=N, n_steps=10, last_epoch=1 / 5)
    for step in range(1, 11):
        made.progress = step / 10
        with torch.inference_mode():
            made.compute(random_rows(N, D))
        assert int(made.state["n_removal"]) == max(0, step - 8)


def test_sparse_and_dense_know_the_same_importance():
    """In float32, to rounding."""
    found = []
    for kind in STEPS:
        made = objective(kind, random_parameters(kind, D, H, dtype=torch.float32), rows=16)
        with torch.inference_mode():
            made.progress = 1.0
            made.compute(random_rows(N, D, dtype=torch.float32))
        found.append(made.importance())
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", STEPS)
def test_budgets_grow_with_what_is_kept(kind):
    """While few latents are kept, their own eighth, quarter and half are trained."""
    parameters, x = random_parameters(kind, D, H), random_rows(N, D)
    made = objective(kind, parameters, rows=16, target_l0=9, growth=0.5)
    made.progress = 0.25
    with torch.inference_mode():
        terms = made.compute(x)
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in parameters.items()}
    documented(kind, leaves, x, target_l0=5)[0].backward()
    assert float(terms.l0) <= 5
    for name, leaf in leaves.items():
        torch.testing.assert_close(made.grads[name], leaf.grad, rtol=1e-10, atol=1e-12)


def planted():
    """Tokens of planted directions, of which the first ones are strong."""
    generator = torch.Generator().manual_seed(3)
    directions_hd = torch.nn.functional.normalize(torch.randn(24, 12, generator=generator), dim=1)
    on_nh = torch.rand(2048, 24, generator=generator) < 0.25
    f_nh = on_nh * torch.linspace(3, 0.5, 24) * (0.5 + torch.rand(2048, 24, generator=generator))
    return PlantedFeed((f_nh @ directions_hd).reshape(8, 256, 12))


def fve(sae, x_nd):
    with torch.inference_mode():
        x_hat_nd, _ = sae(x_nd)
    return 1 - float((x_hat_nd - x_nd).square().sum() / (x_nd - x_nd.mean(0)).square().sum())


def test_one_dictionary_serves_every_k():
    """With an eighth of its latents it explains far more than top-k's cut to that, and with all of them hardly less; leaving out
    the latents of least importance costs less than leaving out those of most."""
    feed = planted()
    x_nd = feed.values.flatten(0, 1)
    options = {"epochs": 40, "normalise": True, "target_l0": 8.0, "shuffle": "rows", "batch_rows": 256, "project": True, "expansion": 4,
               "target_growth": 0.0, "init": "tied"}
    results = {}
    for kind in ("topk", "hierarchical"):
        results[kind] = train(feed, BY_ID["encoder_s1_b5"], settings_of(kind, **options))
    saes = {kind: AuroraSAE.from_tensors(result.weights) for kind, result in results.items()}
    found = {kind: {k: fve(sae.keep(k), x_nd) for k in budgets(8)} for kind, sae in saes.items()}
    assert found["hierarchical"][1] > found["topk"][1] + 0.1
    assert found["hierarchical"][8] > found["topk"][8] - 0.03
    assert sorted(found["hierarchical"].values()) == list(found["hierarchical"].values())
    importance = results["hierarchical"].importance_h
    assert results["topk"].importance_h is None and importance.shape == (48,)
    sae = saes["hierarchical"]
    most, least = (fve(sae.prune((sign * importance).tolist(), 24)[0], x_nd) for sign in (1, -1))
    assert fve(sae, x_nd) >= most > least + 0.1


@pytest.mark.parametrize("architecture", ["topk", "abstopk"])
def test_keep_is_the_same_autoencoder_with_another_k(architecture):
    """The k largest of each token, by brute force; the one it came from stays as it was."""
    sae, x = AuroraSAE.from_tensors(of(architecture, k=5)), random_rows(30, 6, dtype=torch.float32)
    with torch.inference_mode():
        h5, h2 = sae.encode(x), sae.keep(2).encode(x)
        assert torch.equal(sae.keep(5).encode(x), h5) and int(sae.k) == 5
    size = h5.abs()
    expected = torch.where(size >= size.topk(2, dim=1).values[:, -1:], h5, 0.0)
    assert torch.equal(h2, expected) and int((h2 != 0).sum(1).max()) == 2


@pytest.mark.parametrize("k", [0, -1, 6, 2.5, "two"])
def test_keep_refuses_other_k(k):
    """From 1 to the file's own."""
    with pytest.raises(ValueError, match=r"expected k from 1 to 5, which it was trained with; found '?(-?\d|two)"):
        AuroraSAE.from_tensors(of("topk", k=5)).keep(k)


@pytest.mark.parametrize("architecture", ["relu", "jumprelu"])
def test_keep_refuses_what_has_no_k(architecture):
    """Features that are above a threshold have no number to be kept."""
    with pytest.raises(ValueError, match=f"expected topk, abstopk or matching_pursuit, whose tokens keep k features; found {architecture}"):
        AuroraSAE.from_tensors(of(architecture)).keep(2)


@pytest.mark.parametrize("architecture", ["relu", "topk", "abstopk", "jumprelu"])
def test_prune_leaves_the_features_of_most_importance(architecture):
    """In their order, with their own weights: what each computes where all that is kept fits in."""
    sae = AuroraSAE.from_tensors(of(architecture, k=24))
    x, importance = random_rows(30, 6, dtype=torch.float32), [float(i % 7) for i in range(24)]
    pruned, kept = sae.prune(importance, 6)
    # The three of 6, and the first three of 5.
    assert kept.tolist() == [5, 6, 12, 13, 19, 20] and pruned.architecture == architecture
    with torch.inference_mode():
        torch.testing.assert_close(pruned.encode(x), sae.encode(x)[:, kept])
        features = sae.encode(x)[:, kept]
        torch.testing.assert_close(pruned.decode(features), features @ sae.W_dec[kept] + sae.b_dec)
    if "topk" in architecture:
        assert int(pruned.k) == 6


@pytest.mark.parametrize(("n", "d_hidden"), [(23, 6), (24, 0), (24, 7), (24, 30), (24, 6.0), (24, "6")])
def test_prune_refuses(n, d_hidden):
    """Another SAE's importance, and numbers of features that no file can have."""
    with pytest.raises(ValueError, match=r"expected 24 numbers and a d_hidden up to that, a multiple of 6; found"):
        AuroraSAE.from_tensors(tensors()).prune([0.0] * n, d_hidden)


def test_prune_refuses_what_has_no_order():
    with pytest.raises(ValueError, match="found 24, 1 of them NaN, and 6"):
        AuroraSAE.from_tensors(tensors()).prune([*[0.0] * 23, float("nan")], 6)


@pytest.mark.parametrize("k", [5, 8])
def test_equal_latents_and_rows_that_keep_fewer(k):
    """Of equal ones the first come first; a row with fewer above zero than a budget gives it all that it has."""
    generator = torch.Generator().manual_seed(1)
    x_nd = torch.randint(-3, 4, (200, 12), generator=generator).double()
    # Rows with none, one and two above zero.
    x_nd[:3] = -1
    x_nd[1, 4], x_nd[2, [3, 9]] = 2, 2
    eye, zeros = torch.eye(12, dtype=torch.float64), torch.zeros(12, dtype=torch.float64)
    parameters = {"W_enc": eye, "b_enc": zeros, "W_dec": random_rows(12, 12, 7), "b_dec": zeros}
    made = objective("hierarchical, sparse", parameters, rows=64, target_l0=k)
    with torch.inference_mode():
        made.compute(x_nd)
    expected_hd, kept = torch.zeros(12, 12, dtype=torch.float64), budgets(k)
    for x_d in x_nd:
        order = sorted((-float(value), latent) for latent, value in enumerate(x_d) if value > 0)
        for j in kept:
            f_h = torch.zeros(12, dtype=torch.float64)
            for value, latent in order[:j]:
                f_h[latent] = -value
            expected_hd += torch.outer(f_h, f_h @ parameters["W_dec"] - x_d) * 2 / (200 * 12 * len(kept))
    torch.testing.assert_close(made.grads["W_dec"], expected_hd, rtol=1e-10, atol=1e-12)
