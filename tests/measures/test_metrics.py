import numpy as np
import pytest
from aurorascope.measures.held_out.formulas import FORMULAS
from aurorascope.measures.held_out.metrics import by_group, density_histogram, headline
from aurorascope.measures.held_out.sums import Means, Sums
from hypothesis import given
from hypothesis import strategies as st

from tests.measures.summing import B_DEC, GROUPS, WEIGHTS, D, H, N, T, data, means, measure, one_snapshot

# What needs the decoder's weights or a baseline beside the sums.
NOT_FROM_SUMS = ("max_cosine", "max_cosine_all", "fve_climatology", "fve_pca", "fve_anom_pca", "fve_random")


def brute_force(x, x_hat, h, train):
    """Each metric from its definition in FORMULAS, float64, two passes, no sharing with the library."""
    x, x_hat, train = (a.astype(np.float64) for a in (x, x_hat, train))
    flat, flat_hat, active = x.reshape(-1, D), x_hat.reshape(-1, D), (h != 0).reshape(-1, h.shape[2])
    error = ((flat - flat_hat) ** 2).sum()
    weights = np.tile(WEIGHTS, T)
    weighted_mean = (weights[:, None] * flat).sum(0) / weights.sum()
    l0 = active.sum(1)
    lengths, lengths_hat = np.sqrt((flat**2).sum(1)), np.sqrt((flat_hat**2).sum(1))
    squares_h = (h.reshape(-1, h.shape[2]).astype(np.float64) ** 2).sum(1)
    squares_z, on = ((flat - B_DEC) ** 2).sum(1), squares_h > 0
    mean_error = (flat_hat - flat).mean(0)
    return {
        "fve": 1 - error / ((flat - flat.mean(0)) ** 2).sum(),
        "fve_train_mean": 1 - error / ((flat - train.reshape(-1, D).mean(0)) ** 2).sum(),
        "fve_anom": 1 - error / ((x - train.mean(0)) ** 2).sum(),
        "fve_area": 1
        - (weights * ((flat - flat_hat) ** 2).sum(1)).sum()
        / (weights * ((flat - weighted_mean) ** 2).sum(1)).sum(),
        "mse": ((flat - flat_hat) ** 2).mean(),
        "cosine": ((flat * flat_hat).sum(1) / lengths / lengths_hat).mean(),
        "l2_ratio": (lengths_hat / lengths).mean(),
        "bias": np.sqrt((mean_error**2).sum() / ((flat - flat.mean(0)) ** 2).sum(1).mean()),
        "shrinkage": (flat_hat**2).sum() / (flat * flat_hat).sum(),
        "l0": l0.mean(),
        "l0_median": np.sort(l0)[int(np.ceil(0.5 * len(l0))) - 1],
        "l0_p95": np.sort(l0)[int(np.ceil(0.95 * len(l0))) - 1],
        "frac_dead": (active.sum(0) == 0).mean(),
        "frac_dense_1pct": (active.mean(0) > 0.01).mean(),
        "frac_dense_10pct": (active.mean(0) > 0.10).mean(),
        "afa_norm_ratio": np.sqrt(squares_h / squares_z).mean(),
        "afa_epsilon": np.abs(squares_z[on] / squares_h[on] - 1).mean() / (h.shape[2] - 1),
        "n_eval_tokens": T * N,
    }


@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_their_definitions(seed):
    """Every metric, area-weighted, anomaly and sparsity ones included, equals a two-pass computation."""
    found, expected = headline(measure(*data(seed))), brute_force(*data(seed))
    assert list(found) == [name for name in FORMULAS if name not in NOT_FROM_SUMS]
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-12), name


def test_mean_predictor_scores_exactly_zero():
    """Predicting the held-out mean everywhere explains exactly nothing."""
    for seed in range(5):
        x, _, h, train = data(seed, offset=3)
        mean = np.broadcast_to(means(x, train).held_out, x.shape)
        metrics = headline(measure(x, mean, h, train))
        assert metrics["fve"] == 0.0
        assert metrics["fve_area"] <= 0


def test_training_means_score_exactly_zero_on_their_own_metric():
    """Predicting a baseline explains nothing relative to that baseline."""
    x, _, h, train = data(2)
    base = means(x, train)
    for name, predictor in (("fve_train_mean", base.train), ("fve_anom", base.position)):
        assert headline(measure(x, np.broadcast_to(predictor, x.shape), h, train))[name] == 0.0


def test_perfect_reconstruction_scores_one():
    """Reconstruction without error explains everything, in every group."""
    x, _, h, train = data()
    sums = measure(x, x, h, train)
    metrics = headline(sums)
    assert [metrics[n] for n in ("fve", "fve_train_mean", "fve_anom", "fve_area", "mse")] == [1, 1, 1, 1, 0]
    assert metrics["cosine"] == pytest.approx(1, rel=1e-12)
    assert {row["fve"] for row in by_group(sums)} == {1.0}


@pytest.mark.parametrize("factor", [1e-6, 2.0**-20, 1e6])
def test_scale_does_not_matter(factor):
    """In other units, everything without a unit is the same to 12 digits; the MSE is in the unit's square."""
    x, x_hat, h, train = (a.astype(np.float64) for a in data(3, offset=2))
    before = measure(x, x_hat, h, train)
    after = measure(x * factor, x_hat * factor, h * factor, train * factor, b_dec=B_DEC * factor)
    scaled = headline(after)
    for name, value in headline(before).items():
        assert scaled[name] / (factor**2 if name == "mse" else 1) == pytest.approx(value, rel=1e-12), name
    for a, b in zip(by_group(before), by_group(after), strict=True):
        assert b["fve"] == pytest.approx(a["fve"], rel=1e-12)


@pytest.mark.parametrize("bias", [0.5, -2.0])
def test_constant_bias_lowers_the_score(bias):
    """A reconstruction off by a constant is worse, by exactly the bias: a variance ratio would not see it."""
    x, _, h, train = (a.astype(np.float64) for a in data(4))
    exact, biased = (headline(measure(x, x + b, h, train)) for b in (0.0, bias))
    flat = x.reshape(-1, D)
    loss = T * N * D * bias**2 / ((flat - flat.mean(0)) ** 2).sum()
    assert exact["fve"] - biased["fve"] == pytest.approx(loss, rel=1e-9)
    for name in ("fve", "fve_train_mean", "fve_anom", "fve_area"):
        assert biased[name] < exact[name]
    assert exact["bias"] == 0
    assert biased["bias"] ** 2 == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("factor", [1e-9, 7.0])
def test_the_unit_of_the_weights_does_not_matter(factor):
    """Areas in any unit give the same score."""
    before, after = (headline(measure(*data(), weights=WEIGHTS * f)) for f in (1.0, factor))
    assert after["fve_area"] == pytest.approx(before["fve_area"], rel=1e-12)
    assert before["fve_area"] != before["fve"]


def test_shrinkage_and_length_tell_a_shrunk_reconstruction():
    """Reconstructions shorter by a tenth: 0.9 in both, and in the cosine nothing."""
    x, _, h, train = data(8)
    metrics = headline(measure(x, 0.9 * x.astype(np.float64), h, train))
    assert metrics["l2_ratio"] == pytest.approx(0.9, rel=1e-12)
    assert metrics["shrinkage"] == pytest.approx(0.9, rel=1e-12)
    assert metrics["cosine"] == pytest.approx(1, rel=1e-12)


def test_norms_of_orthogonal_features_are_those_of_their_tokens():
    """Features along orthonormal directions that reconstruct exactly are as long as their token, without any epsilon."""
    x, _, _, train = data(9)
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((D, D)))[0]
    metrics = headline(measure(x, x, (x - B_DEC) @ turn, train))
    assert metrics["afa_norm_ratio"] == pytest.approx(1, rel=1e-12)
    assert metrics["afa_epsilon"] == pytest.approx(0, abs=1e-12)


def test_groups_equal_their_definition():
    """Each group's score is about the group's own mean."""
    x, x_hat, h, train = data(5, offset=7)
    rows = by_group(measure(x, x_hat, h, train))
    for row in rows:
        mine, theirs = (a[:, row["group"] == GROUPS].astype(np.float64).reshape(-1, D) for a in (x, x_hat))
        expected = 1 - ((mine - theirs) ** 2).sum() / ((mine - mine.mean(0)) ** 2).sum()
        assert row["fve"] == pytest.approx(expected, rel=1e-11)
        assert row["n"] == len(mine)
    assert sum(row["n"] for row in rows) == T * N


def test_groups_far_apart_keep_their_digits():
    """Groups whose means differ by 1e4 of their own spread are still scored by their own spread."""
    x, x_hat, h, train = data(6)
    shift = (1e4 * GROUPS)[None, :, None]
    x, x_hat = (x + shift).astype(np.float64), (x_hat + shift).astype(np.float64)
    for row in by_group(measure(x, x_hat, h, train)):
        mine, theirs = (a[:, row["group"] == GROUPS].reshape(-1, D) for a in (x, x_hat))
        expected = 1 - ((mine - theirs) ** 2).sum() / ((mine - mine.mean(0)) ** 2).sum()
        assert row["fve"] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e4])
def test_constant_data_have_no_score(value):
    """Where nothing varies there is nothing to explain: null, never infinity or NaN."""
    x = np.broadcast_to(value * np.linspace(0.1, 3, D, dtype=np.float32), (T, N, D))
    sums = measure(x, x + 1, np.zeros((T, N, H), np.float32), x)
    metrics = headline(sums)
    assert [metrics[n] for n in ("fve", "fve_train_mean", "fve_anom", "fve_area")] == [None] * 4
    assert metrics["mse"] == pytest.approx(1, rel=1e-3)
    assert metrics["bias"] is None and metrics["afa_epsilon"] is None
    assert [row["fve"] for row in by_group(sums)] == [None] * 4
    undefined = [metrics[name] is None for name in ("cosine", "l2_ratio", "shrinkage")]
    assert undefined == [value == 0] * 3


def test_the_rounding_of_a_mean_is_no_variance():
    """Constant data whose means are off in the last bit have no score either."""
    x = np.broadcast_to(np.linspace(0.1, 3, D, dtype=np.float32), (N, D))
    off = np.nextafter(x[0].astype(np.float64), 9)
    sums = Sums(GROUPS, WEIGHTS, Means(off, off, np.broadcast_to(off, (N, D)), B_DEC), H)
    sums.add(x, x + 1, np.zeros((N, H)))
    metrics = headline(sums)
    assert sums.scalars["sst"] > 0
    assert [metrics[n] for n in ("fve", "fve_train_mean", "fve_anom", "fve_area", "bias")] == [None] * 5


def test_tokens_of_zeros_have_no_direction():
    """Zeros reconstructed as zeros: no length, cosine or norm to compare, and nothing that is not a number."""
    zeros = np.zeros((T, N, D), np.float32)
    metrics = headline(measure(zeros, zeros, np.zeros((T, N, H), np.float32), zeros, b_dec=np.zeros(D)))
    numbers = {name for name, value in metrics.items() if value is not None}
    counts = {"mse", "l0", "l0_median", "l0_p95", "frac_dead", "frac_dense_1pct", "frac_dense_10pct", "n_eval_tokens"}
    assert numbers == counts
    assert metrics["frac_dead"] == 1


def test_constant_group_among_others_has_no_score():
    """A group whose tokens are all alike has no score of its own, however far it lies from the rest."""
    x, x_hat, h, train = data(7)
    x[:, GROUPS == 2] = np.float32(1234.567) * np.linspace(0.1, 3, D).astype(np.float32)
    rows = by_group(measure(x, x_hat, h, train))
    assert rows[2]["fve"] is None
    assert all(row["fve"] is not None for row in rows if row["group"] != 2)


def test_empty_group_has_no_score():
    """A group that no token falls into has neither tokens nor score."""
    groups = np.where(GROUPS == 1, 0, GROUPS)
    row = by_group(measure(*data(), groups=groups))[1]
    assert row["n"] == 0 and row["fve"] is None


@given(st.integers(0, 99), st.sampled_from([1, 3, 20, 40, 57]))
def test_l0_quantiles_are_those_of_the_tokens(seed, n):
    """Median and 95th percentile are L0 values that at least half, or 95 %, of the tokens do not exceed."""
    rng = np.random.default_rng(seed)
    h = (rng.random((1, n, H)) < rng.random(H)).astype(np.float32)
    x = rng.standard_normal((1, n, D)).astype(np.float32)
    metrics = headline(one_snapshot(x[0], x[0], h[0]))
    l0 = np.sort((h[0] > 0).sum(1))
    assert metrics["l0_median"] == l0[-(-n // 2) - 1]
    assert metrics["l0_p95"] == l0[-(-95 * n // 100) - 1]
    assert metrics["l0"] == pytest.approx(l0.mean(), rel=1e-12)


def test_signs_of_features_do_not_matter():
    """A feature is on where it is not zero, so that negative ones count as positive ones do."""
    x, x_hat, h, train = data()
    signs = np.where(np.random.default_rng(1).random(h.shape) < 0.5, -1, 1).astype(np.float32)
    assert headline(measure(x, x_hat, signs * h, train)) == headline(measure(x, x_hat, h, train))


def test_dead_and_dense_features_are_counted():
    """Of twelve features: five dead, one on a single token in 200, one on a twentieth, five on every token."""
    x, x_hat, _, train = data()
    h = np.zeros((T, N, H), np.float32)
    h[0, 0, 5] = 1e-9
    h[:, :2, 6] = 1
    h[:, :, 7:] = 2
    metrics = headline(measure(x, x_hat, h, train))
    assert metrics["frac_dead"] == 5 / 12
    assert metrics["frac_dense_1pct"] == 6 / 12
    assert metrics["frac_dense_10pct"] == 5 / 12
    assert metrics["l0"] == (1 + 2 * T) / (T * N) + 5


def test_density_histogram_counts_every_feature_once():
    """A feature lies in the bin of log10 of its share of tokens, edges belonging to the bin above; dead ones in none."""
    n = 10_000
    fired_h = np.array([0, 0, 1, 9, 10, 100, 3162, 3163, 9999, 10_000])
    found = density_histogram(fired_h, n)
    bins = dict(zip(found["log10_edges"], found["counts"], strict=True))
    assert {edge: count for edge, count in bins.items() if count} == {-4: 1, -3.5: 1, -3: 1, -2: 1, -1: 1, -0.5: 2, 0: 1}
    assert found["dead"] == 2 and sum(found["counts"]) + 2 == len(fired_h)
    assert np.diff(found["log10_edges"]) == pytest.approx(0.5)
