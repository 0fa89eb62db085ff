"""benchmarks/fve_formulas.py: each published formula, from our sums, against the library's arithmetic written out."""

import importlib
import sys

import numpy as np
import pytest
import torch

from tests.measures.summing import D, N, T, data, measure


@pytest.fixture(scope="module")
def script(root):
    sys.path.insert(0, str(root / "benchmarks"))
    try:
        return importlib.import_module("fve_formulas")
    finally:
        sys.path.remove(str(root / "benchmarks"))


def naive(x, x_hat, train, position):
    """Each formula as its library computes it, on all tokens as one batch, in float64 with torch."""
    x, x_hat = (torch.from_numpy(a.astype(np.float64).reshape(-1, D)) for a in (x, x_hat))
    train, position = torch.from_numpy(train), torch.from_numpy(np.tile(position, (T, 1)))
    residual = x - x_hat
    per_token = residual.pow(2).sum(-1)

    def about(center):
        return (1 - per_token.sum() / (x - center).pow(2).sum()).item()

    # SAELens before #665: squares inside the mean over tokens, and cat where stack was meant.
    by_dimension = torch.cat([x.pow(2).mean(dim=0)]).mean(dim=0)
    total = torch.stack([x.pow(2).sum(dim=-1).mean(dim=0)]).mean(dim=0)
    return {
        "r2_pooled": about(x.mean(0)),
        "r2_train_mean": about(train),
        "r2_position_mean": about(position),
        "legacy_token_mean": (1 - per_token / (x - x.mean(0)).pow(2).sum(-1)).mean().item(),
        "var_ratio": (1 - torch.var(residual, dim=0).sum() / torch.var(x, dim=0).sum()).item(),
        "scalar_var_ratio": (1 - residual.var() / x.var()).item(),
        "scalar_mean_r2": (1 - (residual**2).mean() / ((x - x.mean()) ** 2).mean()).item(),
        "about_zero": (1 - per_token.sum() / x.pow(2).sum()).item(),
        "token_nmse": (1 - (residual.pow(2).mean(1) / x.pow(2).mean(1)).mean()).item(),
        "broken_659": (1 - per_token.mean() / (total - by_dimension.pow(2).sum())).item(),
    }


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_sums_reproduce_every_formula(script, offset):
    """One pass over the tokens is enough for all of them."""
    x, x_hat, h, train = data(3, offset=offset)
    x_hat = (x_hat + 0.2).astype(np.float32)
    sums = measure(x, x_hat, h, train)
    found = script.scores(sums.scalars, D)
    assert found == pytest.approx(naive(x, x_hat, sums.means.train, sums.means.position), rel=1e-9)
    assert len(set(np.round(list(found.values()), 6))) == len(found)


def test_formulas_by_batch_are_those_of_one_batch(script):
    """On all tokens as one batch they equal the formulas from sums."""
    x, x_hat, h, train = data(4, offset=2)
    found = script.scores(measure(x, x_hat, h, train).scalars, D)
    for name, (_, formula) in script.BY_BATCH.items():
        score = formula(*(a.astype(np.float64).reshape(-1, D) for a in (x, x_hat)))
        assert score == pytest.approx(found[name.removesuffix("_by_batch")], rel=1e-12)


def test_what_predicting_the_mean_scores(script):
    """Nothing is explained, and some formulas say otherwise: on mean 5 and spread 1, up to 1.01."""
    rng = np.random.default_rng(0)
    x = 5 + rng.standard_normal((T, N, D))
    mean = np.broadcast_to(x.mean((0, 1)), x.shape)
    found = script.scores(measure(x, mean, np.ones((T, N, 1)), x).scalars, D)
    for name in ("r2_pooled", "r2_train_mean", "legacy_token_mean", "var_ratio"):
        assert found[name] == pytest.approx(0, abs=1e-12), name
    for name in ("about_zero", "token_nmse"):
        assert found[name] == pytest.approx(25 / 26, abs=0.01), name
    assert found["broken_659"] == pytest.approx(1 + D / (26 * 26 - 26 * D), abs=0.01)
    # A constant bias is seen by all but the ratios of variances.
    biased = script.scores(measure(x, x + 3, np.ones((T, N, 1)), x).scalars, D)
    blind = [name for name, score in biased.items() if score == pytest.approx(1)]
    assert blind == ["var_ratio", "scalar_var_ratio"]


def test_only_the_broken_formula_depends_on_the_unit(script):
    """The same tokens in a unit ten times smaller: the sums say what measuring them says, and one score changes."""
    x, x_hat, h, train = (a.astype(np.float64) for a in data(5, offset=1))
    before, measured = (measure(x * f, x_hat * f, h, train * f).scalars for f in (1, 10))
    found = script.scores(script.in_smaller_unit(before, 10), D)
    assert found == pytest.approx(script.scores(measured, D), rel=1e-9)
    changed = [name for name, score in script.scores(before, D).items() if score != pytest.approx(found[name], rel=1e-9)]
    assert changed == ["broken_659"]
