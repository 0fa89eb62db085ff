import numpy as np
import pytest
from aurorascope.blocks import BY_ID
from aurorascope.evaluation import sums as sums_module
from aurorascope.evaluation.evaluate import _groups, _table
from aurorascope.evaluation.formulas import FORMULAS
from aurorascope.evaluation.metrics import by_group, headline
from aurorascope.evaluation.sums import Baselines, Sums
from aurorascope.tokens import token_grid
from hypothesis import given
from hypothesis import strategies as st

T, N, D, H = 5, 40, 6, 12
GROUPS = np.arange(N) % 4
WEIGHTS = 0.2 + np.arange(N) / N * 1.6


def data(seed=0, offset=0.0, std=1.0):
    """Snapshots of float32 activations, reconstructions and features, and the training snapshots."""
    rng = np.random.default_rng(seed)
    place = rng.standard_normal((N, D))
    x = ((place + rng.standard_normal((T, N, D))) * std + offset).astype(np.float32)
    x_hat = (x + 0.3 * std * rng.standard_normal((T, N, D))).astype(np.float32)
    h = np.maximum(rng.standard_normal((T, N, H)) - np.linspace(-1, 4, H), 0).astype(np.float32)
    train = ((place + rng.standard_normal((T, N, D))) * std + offset).astype(np.float32)
    return x, x_hat, h, train


def baselines(x, train):
    mean = [a.astype(np.float64).reshape(-1, D).mean(0) for a in (x, train)]
    return Baselines(*mean, train.astype(np.float64).mean(0))


def measure(x, x_hat, h, train, order=range(T), groups=GROUPS, weights=WEIGHTS):
    sums = Sums(groups, weights, baselines(x, train), h.shape[2])
    for t in order:
        sums.add(x[t], x_hat[t], h[t])
    return sums


def brute_force(x, x_hat, h, train):
    """Each metric from its definition in FORMULAS, float64, two passes, no sharing with the library."""
    x, x_hat, train = (a.astype(np.float64) for a in (x, x_hat, train))
    flat, flat_hat, active = x.reshape(-1, D), x_hat.reshape(-1, D), (h > 0).reshape(-1, h.shape[2])
    error = ((flat - flat_hat) ** 2).sum()
    weights = np.tile(WEIGHTS, T)
    weighted_mean = (weights[:, None] * flat).sum(0) / weights.sum()
    l0 = active.sum(1)
    norms = np.sqrt((flat**2).sum(1)) * np.sqrt((flat_hat**2).sum(1))
    return {
        "fve": 1 - error / ((flat - flat.mean(0)) ** 2).sum(),
        "fve_train_mean": 1 - error / ((flat - train.reshape(-1, D).mean(0)) ** 2).sum(),
        "fve_anom": 1 - error / ((x - train.mean(0)) ** 2).sum(),
        "fve_area": 1
        - (weights * ((flat - flat_hat) ** 2).sum(1)).sum()
        / (weights * ((flat - weighted_mean) ** 2).sum(1)).sum(),
        "mse": ((flat - flat_hat) ** 2).mean(),
        "cosine": ((flat * flat_hat).sum(1) / norms).mean(),
        "l0": l0.mean(),
        "l0_median": np.sort(l0)[int(np.ceil(0.5 * len(l0))) - 1],
        "l0_p95": np.sort(l0)[int(np.ceil(0.95 * len(l0))) - 1],
        "frac_dead": (active.sum(0) == 0).mean(),
        "frac_dense_1pct": (active.mean(0) > 0.01).mean(),
        "frac_dense_10pct": (active.mean(0) > 0.10).mean(),
        "n_eval_tokens": T * N,
    }


@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_their_definitions(seed):
    """Every metric, area-weighted, anomaly and sparsity ones included, equals a two-pass computation."""
    found, expected = headline(measure(*data(seed))), brute_force(*data(seed))
    assert list(found) == list(FORMULAS)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-12), name


@pytest.mark.parametrize("std", [1.0, 1e-3])
def test_large_means_cost_no_digits(std):
    """With means of 1e4 standard deviations the metrics still equal the two-pass computation."""
    args = data(1, offset=1e4 * std, std=std)
    found, expected = headline(measure(*args)), brute_force(*args)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-10), name


def test_mean_predictor_scores_exactly_zero():
    """Predicting the held-out mean everywhere explains exactly nothing."""
    for seed in range(5):
        x, _, h, train = data(seed, offset=3)
        mean = np.broadcast_to(baselines(x, train).held_out_mean, x.shape)
        metrics = headline(measure(x, mean, h, train))
        assert metrics["fve"] == 0.0
        assert metrics["fve_area"] <= 0


def test_training_means_score_exactly_zero_on_their_own_metric():
    """Predicting a baseline explains nothing relative to that baseline."""
    x, _, h, train = data(2)
    base = baselines(x, train)
    for name, predictor in (("fve_train_mean", base.train_mean), ("fve_anom", base.position_mean)):
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
    """Scaling activations and reconstruction together changes no ratio to 12 digits, and the MSE by its square."""
    x, x_hat, h, train = (a.astype(np.float64) for a in data(3, offset=2))
    before = measure(x, x_hat, h, train)
    after = measure(x * factor, x_hat * factor, h, train * factor)
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


@given(st.permutations(range(T)), st.integers(1, N + 5))
def test_order_and_partition_do_not_matter(monkeypatch, order, rows):
    """Snapshots in any order, cut into rows of any number, give the same metrics to 12 digits."""
    expected, expected_groups = headline(measure(*data())), by_group(measure(*data()))
    with monkeypatch.context() as patch:
        patch.setattr(sums_module, "_ROWS", rows)
        sums = measure(*data(), order=order)
    for name, value in headline(sums).items():
        assert value == pytest.approx(expected[name], rel=1e-12), name
    for found, row in zip(by_group(sums), expected_groups, strict=True):
        assert found["n"] == row["n"] and found["fve"] == pytest.approx(row["fve"], rel=1e-12)


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


@pytest.mark.parametrize("value", [0.0, 1.0, 1e4])
def test_constant_data_have_no_score(value):
    """Where nothing varies there is nothing to explain: null, never infinity or NaN."""
    x = np.full((T, N, D), value, np.float32)
    sums = measure(x, x + 1, np.zeros((T, N, H), np.float32), x)
    metrics = headline(sums)
    assert [metrics[n] for n in ("fve", "fve_train_mean", "fve_anom", "fve_area")] == [None] * 4
    assert metrics["mse"] == 1
    assert [row["fve"] for row in by_group(sums)] == [None] * 4
    assert (metrics["cosine"] is None) == (value == 0)


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
    sums = Sums(np.zeros(n, int), np.ones(n), Baselines(np.zeros(D), np.zeros(D), np.zeros((n, D))), H)
    sums.add(x[0], x[0], h[0])
    metrics, l0 = headline(sums), np.sort((h[0] > 0).sum(1))
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


BANDS = (-90.0, -30.0, 0.0, 30.0, 90.0)


def grid():
    return token_grid(BY_ID["encoder_s0_b0"], np.linspace(90, -90, 19), np.arange(36) * 10.0)


def test_groups_are_level_and_band():
    """Each token's group says its latent level and its latitude band, an edge belonging to the band north of it."""
    cells = grid()
    groups, n_bands = _groups(cells, BANDS), len(BANDS) - 1
    level, band = np.divmod(groups.reshape(cells.shape), n_bands)
    assert (level == np.arange(4)[:, None, None]).all()
    assert cells.lat.tolist() == [80, 50, 20, -10, -40, -70]
    assert band[0, :, 0].tolist() == [3, 3, 2, 1, 0, 0]
    assert _groups(cells, (-90.0, 20.0, 90.0))[:72:12].tolist() == [1, 1, 1, 0, 0, 0]


def test_tokens_outside_the_bands_belong_to_none():
    """With bands of the tropics alone, the poles are not counted as tropics."""
    cells = grid()
    groups = _groups(cells, (-30.0, 30.0))
    sums = Sums(groups, np.ones(cells.n_tokens), Baselines(np.zeros(D), np.zeros(D), np.zeros((cells.n_tokens, D))), H)
    x = np.random.default_rng(0).standard_normal((cells.n_tokens, D))
    sums.add(x, x, np.ones((cells.n_tokens, H)))
    table = _table(headline(sums), by_group(sums), (-30.0, 30.0))
    rows = table[table["scope"] == "group"]
    assert rows["level"].tolist() == ["surface", "atmos_1", "atmos_2", "atmos_3"]
    assert rows["n"].tolist() == [2 * 12] * 4


def test_table_names_formula_level_and_band():
    """Each row of the table carries its formula's id, its place and its count."""
    cells = grid()
    groups = _groups(cells, BANDS)
    n = cells.n_tokens
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, D))
    sums = Sums(groups, cells.area.reshape(-1), Baselines(x.mean(0), np.zeros(D), np.zeros((n, D))), H)
    sums.add(x, 0.5 * x, np.ones((n, H)))
    table = _table(headline(sums), by_group(sums), BANDS)
    assert list(table.columns) == ["metric", "formula_id", "scope", "level", "lat_band", "value", "n"]
    overall = table[table["scope"] == "all"].set_index("metric")
    assert set(overall.index) == set(FORMULAS)
    assert all(overall["formula_id"][name] == FORMULAS[name][0] for name in FORMULAS)
    group = table[table["scope"] == "group"]
    assert len(group) == 16 and group["n"].sum() == n
    assert group["lat_band"].tolist()[:4] == ["-90..-30", "-30..0", "0..30", "30..90"]
    assert group["level"].tolist()[::4] == ["surface", "atmos_1", "atmos_2", "atmos_3"]
