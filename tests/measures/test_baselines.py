import numpy as np
import pytest
import torch
from aurorascope.activations.feed import StreamFeed
from aurorascope.activations.reader import StoreReader
from aurorascope.measures.held_out import baselines as module
from aurorascope.measures.held_out.baselines import RandomDictionary, baselines, pca_error, second_moments
from aurorascope.measures.held_out.decoder import max_cosines
from tiny import claim, make_store

from tests.measures.summing import D, H, N, data, measure

CPU = torch.device("cpu")


def flat(a):
    return a.astype(np.float64).reshape(-1, a.shape[-1])


def second_moments_of(tokens, mean):
    return (tokens - mean).T @ (tokens - mean)


def scored(x, train, k, n_latents=H):
    """The baselines of made-up data at an L0 of k, and the sums."""
    sums = measure(x, x, np.ones((*x.shape[:2], n_latents), np.float32), train)
    dictionary = RandomDictionary(n_latents, round(k), 3, sums.means.train, CPU)
    for snapshot in x:
        dictionary.add(torch.from_numpy(snapshot))
    return baselines(sums, k, second_moments_of(flat(train), sums.means.train), dictionary), sums


@pytest.mark.parametrize("k", [0, 1, 3, D - 1, D, D + 2])
def test_pca_equals_projecting_every_token(k):
    """The error by algebra is that of projecting each held-out token on components fitted by another method, an SVD."""
    x, _, _, train = data(2, offset=3)
    mean = flat(train).mean(0)
    components = np.linalg.svd(flat(train) - mean, full_matrices=False)[2][:k]
    x_hat = mean + (flat(x) - mean) @ components.T @ components
    found = scored(x, train, k)[0]["pca"]
    assert found["k"] == min(k, D)
    assert found["sse"] == pytest.approx(((flat(x) - x_hat) ** 2).sum(), rel=1e-10, abs=1e-9)
    sst = ((flat(x) - flat(x).mean(0)) ** 2).sum()
    anomaly = ((x - train.astype(np.float64).mean(0)) ** 2).sum()
    assert found["fve"] == pytest.approx(1 - found["sse"] / sst, rel=1e-12)
    assert found["fve_anom"] == pytest.approx(1 - found["sse"] / anomaly, rel=1e-12)


def test_pca_keeps_its_digits_where_it_leaves_almost_nothing():
    """An error of 1e-14 of the variance is not lost in the difference of two large sums."""
    rng = np.random.default_rng(0)
    spread = np.array([1e7, 1e6, 1.0])
    train, x = (rng.standard_normal((500, 3)) * spread for _ in range(2))
    error = pca_error(train.T @ train, x.T @ x, 2)
    components = np.linalg.svd(train, full_matrices=False)[2]
    assert error == pytest.approx(((x @ components[2]) ** 2).sum(), rel=1e-3)
    assert error < 1e-13 * (x**2).sum()


def test_means_score_by_their_own_formula():
    """The climatology explains no anomaly, exactly; either mean has the score that predicting it has."""
    x, _, _, train = data(4)
    found, sums = scored(x, train, 2)
    assert found["climatology"]["fve_anom"] == 0.0
    for name, predictor in (("train_mean", sums.means.train), ("climatology", sums.means.position)):
        sse = ((x.astype(np.float64) - predictor) ** 2).sum()
        assert found[name]["fve"] == pytest.approx(1 - sse / sums.scalars["sst"], rel=1e-12)
    assert found["climatology"]["fve"] > found["train_mean"]["fve"]


@pytest.mark.parametrize("k", [1, 5, H])
def test_random_dictionary_equals_its_definition(k):
    """Token by token and with a factor fitted by least squares: the same score."""
    x, _, _, train = data(5, offset=2)
    found, sums = scored(x, train, k)
    rows = np.random.default_rng([4, 3]).standard_normal((H, D), np.float32).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    centred = flat(x) - sums.means.train
    raw = np.zeros_like(centred)
    for token, out in zip(centred, raw, strict=True):
        z = rows @ token
        for j in np.argsort(-np.abs(z))[:k]:
            out += z[j] * rows[j]
    factor = np.linalg.lstsq(raw.reshape(-1, 1), centred.reshape(-1), rcond=None)[0][0]
    assert found["random"]["scale"] == pytest.approx(factor, rel=1e-5)
    assert found["random"]["sse"] == pytest.approx(((centred - factor * raw) ** 2).sum(), rel=1e-5)


def test_random_dictionary_depends_on_the_block_and_on_nothing_else():
    """The same block has the same directions; another has others; cutting a snapshot changes nothing."""
    x = torch.from_numpy(data(1)[0][0])

    def score(depth_index, *pieces):
        dictionary = RandomDictionary(H, 3, depth_index, np.zeros(D), CPU)
        for piece in pieces:
            dictionary.add(piece)
        return dictionary.fit(float(x.double().square().sum()))[1]

    assert score(0, x) == score(0, x) != score(1, x)
    assert score(0, x[:7], x[7:]) == pytest.approx(score(0, x), rel=1e-6)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_baselines_have_no_unit(factor):
    """Activations in another unit score the same."""
    x, _, _, train = (a.astype(np.float64) for a in data(6, offset=1))
    before, after = (scored(x * f, train * f, 2)[0] for f in (1.0, factor))
    for name, row in before.items():
        tolerance = 1e-5 if name == "random" else 1e-11
        for key in ("fve", "fve_anom"):
            assert after[name][key] == pytest.approx(row[key], rel=tolerance, abs=tolerance), (name, key)


def test_data_without_variance_have_no_baseline():
    """Null, never infinity or NaN, where there is nothing to explain; and nothing kept explains nothing."""
    x = np.full((2, N, D), 0.1, np.float32)
    found, _ = scored(x, x, 0)
    assert [(row["fve"], row["fve_anom"]) for row in found.values()] == [(None, None)] * 4
    varied, sums = scored(*(data(7)[i] for i in (0, 3)), 0)
    assert varied["random"]["sse"] == varied["train_mean"]["sse"] == sums.scalars["sst_train"]
    assert varied["pca"]["sse"] == pytest.approx(sums.scalars["sst_train"], rel=1e-12)


def test_second_moments_of_a_store(tmp_path, monkeypatch):
    """One pass over the stored values, in pieces of any size, gives their covariance about the training mean."""
    reader = StoreReader(make_store(tmp_path / "store", claim(range(3, 7))))
    mean = reader.moments()["mean"]
    values = reader.read().astype(np.float64).reshape(-1, reader.d_model)
    expected = np.cov(values.T, bias=True) * len(values)
    for entries in (1 << 25, 40):
        monkeypatch.setattr(module, "_ENTRIES", entries)
        np.testing.assert_allclose(second_moments(StreamFeed(reader, CPU), mean), expected, rtol=1e-10, atol=1e-7)


def test_held_out_moments_come_with_the_sums():
    """What the sums hold are the outer products about the training mean."""
    x, _, _, train = data(8)
    _, sums = scored(x, train, 1)
    np.testing.assert_allclose(sums.totals["second_dd"], second_moments_of(flat(x), sums.means.train), rtol=1e-10)


def test_cosines_of_a_known_dictionary():
    """Three directions in a plane, one of them dead, and a fourth without length."""
    W_dec = torch.tensor([[2.0, 0.0], [3.0, 3.0], [-5.0, 0.0], [0.0, 0.0]])
    alive = torch.tensor([True, True, False, True])
    half = 0.5**0.5
    assert max_cosines(W_dec, alive, False) == pytest.approx((half, (half + half - half) / 3))
    assert max_cosines(W_dec, alive, True) == pytest.approx((half, (1 + half + 1) / 3))
    assert max_cosines(W_dec, torch.tensor([True, False, False, False]), False)[0] is None
    assert max_cosines(W_dec[:1], alive[:1], False) == (None, None)


def test_cosines_of_many_directions_equal_their_definition():
    """More directions than are compared at a time."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((1500, 5))
    alive = rng.random(1500) < 0.3
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for signed in (False, True):
        cosine = np.abs(unit @ unit.T) if signed else unit @ unit.T
        np.fill_diagonal(cosine, -2)
        expected = cosine[alive][:, alive].max(1).mean(), cosine.max(1).mean()
        assert max_cosines(torch.from_numpy(rows), torch.from_numpy(alive), signed) == pytest.approx(expected)
