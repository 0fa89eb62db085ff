"""Matching pursuit: what is taken in closed forms, planted directions found again, and a pursuit with another autoencoder's decoder."""

import numpy as np
import pytest
import torch
from aurorascope.blocks import BY_ID
from aurorascope.sae import matching_pursuit
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.auxk import AuxK
from aurorascope.sae.fold import fold

from tests.architectures import of
from tests.sae.losses import documented, forward, objective, random_parameters, random_rows, random_weights
from tests.sae.planted_feed import PlantedFeed
from tests.trained import train
from tests.training.settings import of as settings_of

KIND = "matching_pursuit"


def unit(rows):
    return torch.nn.functional.normalize(torch.as_tensor(rows, dtype=torch.float32), dim=1)


def released(W_dec, k, b_dec=None):
    """A pursuit with these directions."""
    h, d = W_dec.shape
    weights = {"W_enc": W_dec.T.contiguous(), "b_enc": torch.zeros(h), "W_dec": W_dec, "b_dec": torch.zeros(d) if b_dec is None else b_dec}
    return AuroraSAE.from_tensors({**weights, "k": torch.tensor(k), "pursuit": torch.tensor(True)})


def in_training(W_dec, x, k, **settings):
    """Latents and gradients that training has of the same directions, and its terms."""
    h, d = W_dec.shape
    parameters = {"W_enc": torch.zeros(d, h), "b_enc": torch.zeros(h), "W_dec": W_dec, "b_dec": torch.zeros(d)}
    parameters = {name: tensor.to(x.dtype) for name, tensor in parameters.items()}
    made = objective(KIND, parameters, rows=16, target_l0=k, **settings)
    with torch.inference_mode():
        terms = made.compute(x)
    return forward(made, x)[0], made, terms


# Three directions in a plane, of which the first and the last are at right angles.
PLANE = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
BY_HAND = {
    "the largest product": ([3.0, 1.0], 1, [3, 0, 0]),
    "then in what is left": ([3.0, 1.0], 2, [3, 0, 1]),
    "the nearest although two others are exact": ([1.0, 1.0], 1, [0, 1.4, 0]),
    "its remainder": ([1.0, 1.0], 2, [0.16, 1.4, 0]),
    "of equal ones the first": ([1.0, 1.0, 1.0], 2, [1, 1, 0]),
    "nothing above zero": ([-1.0, -2.0], 3, [0, 0, 0]),
    "nothing at all": ([0.0, 0.0], 2, [0, 0, 0]),
    "one step, then nothing above zero": ([2.0, -1.0], 3, [2, 0, 0]),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_closed_forms(case):
    """By hand, in the released module and in training."""
    x, k, expected = BY_HAND[case]
    W_dec, x = PLANE if len(x) == 2 else torch.eye(3), torch.tensor([x])
    f_nh, made, terms = in_training(W_dec, x, k)
    torch.testing.assert_close(f_nh, torch.tensor([expected]).float(), rtol=0, atol=1e-6)
    # A file's latents are a multiple of its channels.
    wide = W_dec if len(W_dec) % x.shape[1] == 0 else torch.cat([W_dec, W_dec[:1]])
    torch.testing.assert_close(released(wide, 1).pursue(x, k)[:, : len(W_dec)], f_nh, rtol=0, atol=1e-6)
    assert float(terms.l0) == np.count_nonzero(expected) == float(made.on_h.sum())


@pytest.mark.parametrize("weighted", [False, True])
def test_gradient_where_rows_take_nothing_more(weighted):
    """Directions of one orthant, so that many rows have no product above zero, at once or after some steps."""
    W_dec, x = torch.nn.functional.normalize(random_rows(6, 3).abs(), dim=1), random_rows(200, 3)
    weight = random_weights(200) if weighted else None
    parameters = {**random_parameters(KIND, 3, 6), "W_dec": W_dec, "b_dec": torch.zeros(3, dtype=torch.float64)}
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in parameters.items()}
    documented(KIND, leaves, x, weight, target_l0=3)[0].backward()
    made = objective(KIND, parameters, rows=64, target_l0=3)
    with torch.inference_mode():
        terms = made.compute(x, weight)
    assert 0.2 < float(terms.l0) < 1.5
    for name in ("W_dec", "b_dec"):
        torch.testing.assert_close(made.grads[name], leaves[name].grad, rtol=1e-10, atol=1e-12)


def test_a_latent_that_comes_again_adds_up():
    """Between two directions 37 degrees apart the residual goes back and forth; each step leaves less, and only two latents are on."""
    W_dec, x = torch.tensor([[1.0, 0.0], [0.8, 0.6]]), torch.tensor([[1.0, 1.0]])
    sizes, on = [], []
    for k in range(1, 7):
        f_nh, _, terms = in_training(W_dec, x, k)
        left, expected = [1.0, 1.0], [0.0, 0.0]
        for _ in range(k):
            products = [left[0], 0.8 * left[0] + 0.6 * left[1]]
            j = products.index(max(products))
            value = max(products[j], 0.0)
            expected[j] += value
            left = [left[0] - value * float(W_dec[j, 0]), left[1] - value * float(W_dec[j, 1])]
        torch.testing.assert_close(f_nh, torch.tensor([expected]), rtol=0, atol=1e-6)
        torch.testing.assert_close(released(W_dec, min(k, 2)).pursue(x, k), f_nh, rtol=0, atol=1e-6)
        sizes.append(float(terms.mse))
        on.append(float(terms.l0))
    assert sizes == sorted(sizes, reverse=True) and max(on) <= 2


@pytest.mark.parametrize("rows", [16, 300])
def test_products_updated_and_products_anew_are_the_same_pursuit(monkeypatch, rows):
    """In float64 whatever the directions' products with each other are used for changes no latent and no gradient."""
    x, weight, found = random_rows(300, 8), random_weights(300), []
    for arrays in (0, 4):
        monkeypatch.setattr(matching_pursuit, "_GRAM", arrays)
        auxk = AuxK(3)
        auxk.dead_i = torch.tensor([1, 5, 6, 9])
        made = objective(KIND, random_parameters(KIND, 8, 32), auxk, rows=rows, target_l0=5)
        with torch.inference_mode():
            terms = made.compute(x, weight)
        assert (made._gram_hh is not None) == bool(arrays)
        found.append((made.grads, vars(terms), made.on_h))
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-12)
    assert float(found[0][1]["aux"]) > 0


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_features_of_a_release_are_those_of_training_at_large_k(scale):
    """Twenty steps in float32, folded: the same latents for all but near-equal products, of which these rows have none."""
    made = objective(KIND, random_parameters(KIND, 32, 128, dtype=torch.float32), rows=256, target_l0=20)
    x, mean = scale * random_rows(1000, 32, dtype=torch.float32), torch.linspace(-5, 20, 32)
    made.centre(mean, scale)
    with torch.inference_mode():
        made.compute(x + mean)
        f_nh, _ = forward(made, x + mean)
        features_nh = AuroraSAE.from_tensors(fold(made.release(), mean, scale)).encode(x + mean)
    same_n = ((features_nh != 0) == (f_nh != 0)).all(dim=1)
    assert same_n.float().mean() > 0.99
    torch.testing.assert_close(features_nh[same_n], scale * f_nh[same_n], rtol=0, atol=3e-5 * scale)


def test_orthonormal_directions_are_found_exactly():
    """As many steps as are on find them and their sizes."""
    generator = torch.Generator().manual_seed(5)
    W_dec = torch.linalg.qr(torch.randn(16, 16, generator=generator, dtype=torch.float64))[0]
    f_nh = torch.rand(200, 16, generator=generator, dtype=torch.float64) + 0.1
    f_nh[torch.rand(200, 16, generator=generator).argsort(1) >= 5] = 0
    found_nh, _, terms = in_training(W_dec, f_nh @ W_dec, 5)
    torch.testing.assert_close(found_nh, f_nh, rtol=1e-10, atol=1e-12)
    assert float(terms.l0) == 5 and float(terms.mse) < 1e-28


def fve(x_hat_nd, x_nd):
    return 1 - float((x_hat_nd.detach() - x_nd).square().sum() / (x_nd - x_nd.mean(0)).square().sum())


class _Planted(PlantedFeed):
    """Tokens of four of 48 directions that are far from orthogonal, in 16 channels."""

    def __init__(self):
        generator = torch.Generator().manual_seed(3)
        self.W_hd = unit(torch.randn(48, 16, generator=generator))
        on_nh = torch.rand(4096, 48, generator=generator).argsort(1) < 4
        super().__init__(((on_nh * (0.5 + torch.rand(4096, 48, generator=generator))) @ self.W_hd).reshape(8, 512, 16))


OPTIONS = {"epochs": 15, "normalise": True, "target_l0": 4.0, "shuffle": "rows", "batch_rows": 256, "project": True, "expansion": 3,
           "init": "tied"}


@pytest.fixture(scope="module")
def planted():
    feed = _Planted()
    return feed, {kind: train(feed, BY_ID["encoder_s1_b5"], settings_of(kind, **OPTIONS)) for kind in ("topk", "abstopk", KIND)}


def test_a_pursuit_explains_more_than_top_k_of_the_same_directions():
    """With the planted directions themselves, and as many steps as are on."""
    feed, k = _Planted(), 4
    x_nd, W_dec = feed.values.flatten(0, 1), feed.W_hd
    pursuit = released(W_dec, k)
    top_k = AuroraSAE.from_tensors({name: tensor for name, tensor in pursuit.state_dict().items() if name != "pursuit"})
    assert top_k.architecture == "topk"
    assert fve(pursuit(x_nd)[0], x_nd) > fve(top_k(x_nd)[0], x_nd) + 0.2
    torch.testing.assert_close(top_k.pursue(x_nd, k), pursuit.encode(x_nd), rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["topk", "abstopk"])
def test_a_pursuit_with_a_trained_decoder_explains_more_than_its_encoder(planted, kind):
    """At the same k; features of abstopk keep their signs."""
    feed, results = planted
    x_nd, sae = feed.values.flatten(0, 1), AuroraSAE.from_tensors(results[kind].weights)
    with torch.inference_mode():
        h_nh = sae.pursue(x_nd, 4)
        assert fve(sae.decode(h_nh), x_nd) > fve(sae(x_nd)[0], x_nd)
    assert int((h_nh != 0).sum(1).max()) <= 4 and bool((h_nh < 0).any()) == (kind == "abstopk")


def test_training_finds_more_than_top_k_does(planted):
    """At the same k on tokens of coherent directions, as the released modules compute it; and what training says of itself is so."""
    feed, results = planted
    x_nd = feed.values.flatten(0, 1)
    saes = {kind: AuroraSAE.from_tensors(results[kind].weights) for kind in ("topk", KIND)}
    with torch.inference_mode():
        found = {kind: fve(sae(x_nd)[0], x_nd) for kind, sae in saes.items()}
        l0 = float((saes[KIND].encode(x_nd) != 0).sum(1).float().mean())
    assert found[KIND] > found["topk"] + 0.05
    assert l0 == pytest.approx(float(results[KIND].log["l0"].iloc[-1]), abs=0.1)


@pytest.mark.parametrize("revive", ["none", "auxk", "resample"])
def test_every_revival_trains(revive):
    """Weights stay tied, rows of unit norm and features finite, whatever is done about the dead."""
    feed, options = _Planted(), {**OPTIONS, "epochs": 6, "expansion": 8, "revive": revive, "dead_snapshots": 2, "aux_weight": 0.5}
    result = train(feed, BY_ID["encoder_s1_b5"], settings_of(KIND, **options))
    sae = AuroraSAE.from_tensors(result.weights)
    assert sae.architecture == KIND and torch.equal(sae.W_enc, sae.W_dec.T) and not sae.b_enc.any()
    assert fve(sae(feed.values.flatten(0, 1))[0], feed.values.flatten(0, 1)) > 0.5


def test_keep_takes_fewer_steps():
    """The first steps of the same pursuit."""
    sae, x = AuroraSAE.from_tensors(of(KIND, k=5)), random_rows(30, 6, dtype=torch.float32)
    torch.testing.assert_close(sae.keep(2).encode(x), sae.pursue(x, 2), rtol=0, atol=0)
    torch.testing.assert_close(sae.keep(5).encode(x), sae.encode(x), rtol=0, atol=0)
    with pytest.raises(ValueError, match="expected k from 1 to 5"):
        sae.keep(6)


def test_prune_is_the_pursuit_of_the_directions_that_stay():
    sae, x = AuroraSAE.from_tensors(of(KIND, k=5)), random_rows(30, 6, dtype=torch.float32)
    pruned, kept = sae.prune([float(i % 7) for i in range(24)], 6)
    expected = released(sae.W_dec.detach()[kept], 5, sae.b_dec.detach())
    torch.testing.assert_close(pruned.encode(x), expected.encode(x), rtol=0, atol=0)


def test_gradients_reach_the_activations():
    """Through the steps, as a finite difference says."""
    sae, x = AuroraSAE.from_tensors(of(KIND)).double(), random_rows(20, 6)
    weights = random_rows(20, 24, 3)
    x.requires_grad_()
    (sae.encode(x) * weights).sum().backward()
    step, eps = random_rows(20, 6, 4), 1e-6
    with torch.no_grad():
        change = ((sae.encode(x + eps * step) - sae.encode(x - eps * step)) * weights).sum() / (2 * eps)
    assert float((x.grad * step).sum()) == pytest.approx(float(change), rel=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda t: t["W_enc"].mul_(1 + 1e-6), id="not tied"),
        pytest.param(lambda t: t["b_enc"][3].fill_(1e-6), id="a bias"),
        pytest.param(lambda t: t.update(pursuit=torch.tensor(False)), id="marked as none"),
    ],
)
def test_what_is_no_pursuit_is_refused(change):
    content = of(KIND)
    change(content)
    with pytest.raises(ValueError, match="made: expected pursuit to be True, W_enc to be W_dec\\^T and b_enc 0, found others"):
        AuroraSAE.from_tensors(content, "made")


def test_rows_of_another_norm_are_refused():
    """In a file of a pursuit, and where one is asked of another autoencoder; within 1e-5 they pass."""
    message = r"expected rows of W_dec of unit norm, within 1e-05, .* found one .* off. Divide rows"
    with pytest.raises(ValueError, match=message):
        released(unit(torch.randn(12, 6)) * 1.0001, 3)
    with pytest.raises(ValueError, match=message):
        AuroraSAE.from_tensors(of("topk")).pursue(torch.zeros(1, 6), 3)
    assert released(unit(torch.randn(12, 6)) * 1.000005, 3).architecture == KIND


@pytest.mark.parametrize("k", [0, -2, 2401, 2.5, 2.0, "two"])
def test_a_pursuit_has_a_step(k):
    with pytest.raises(ValueError, match=f"expected a whole k from 1 to 100 d_hidden, 2400; found {k!r}"):
        AuroraSAE.from_tensors(of(KIND)).pursue(torch.zeros(1, 6), k)


def test_threads_change_no_bit():
    """Gradients are summed in the order of rows."""
    found, threads = [], torch.get_num_threads()
    try:
        for number in (1, 2):
            torch.set_num_threads(number)
            made = objective(KIND, random_parameters(KIND, 64, 128, dtype=torch.float32), rows=512, target_l0=8)
            with torch.inference_mode():
                made.compute(random_rows(2000, 64, dtype=torch.float32))
            found.append(made.grads)
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(gradient, found[1][name]) for name, gradient in found[0].items())
