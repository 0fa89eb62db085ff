"""Correlations of anomalies, badges and examples equal what comes out of the dense fields."""

import numpy as np
import pytest
from aurorascope.atlas.anomalies import correlations, sum_anomalies
from aurorascope.atlas.badges import (
    antipodes,
    geo_r2,
    padding_ratio,
    scale_km,
    seam_jump,
    weekday_share,
    window_share,
)
from aurorascope.atlas.encoding import area_means
from aurorascope.atlas.examples import strongest_tokens
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.blocks import BY_ID
from aurorascope.tokens import token_grid

from tests.atlas.planted import LAT, LON, entries_of, smooth_noise, year_times

N_TIMES, N_PLANE, N_FEATURES = 12, 40, 5


@pytest.fixture
def dense():
    rng = np.random.default_rng(3)
    h = rng.gamma(1, 2, (N_TIMES, 4 * N_PLANE, N_FEATURES)) * (rng.random((N_TIMES, 4 * N_PLANE, N_FEATURES)) < 0.4)
    h[:, :, 3] = 1.5
    h[:, :, 4] = 0
    field = rng.standard_normal((N_TIMES, 3, N_PLANE)).astype(np.float32)
    h[..., 0] += np.tile(np.maximum(field[:, 0], 0), 4)
    field[3, 1, 7] = field[5, 1, 11] = np.nan
    field[:, 2] = 0.1
    return h.astype(np.float16).astype(np.float32), field, rng.integers(1, 1000, N_PLANE)


@pytest.mark.parametrize("tile", [7, 1 << 21])
def test_correlations_of_anomalies_equal_the_dense_ones(dense, tmp_path, monkeypatch, tile):
    h, field, area = dense
    monkeypatch.setattr("aurorascope.atlas.anomalies._TILE", tile * N_FEATURES)
    entries, chosen = entries_of(h, N_PLANE, tmp_path), np.array([0, 1, 2, 5, 6, 7, 8, 11])
    block = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    sums = sum_anomalies(entries, chosen, block, field[chosen], area, tmp_path)
    feature, label = np.divmod(np.arange(3 * N_FEATURES), 3)
    found = correlations(sums, feature, label, AtlasSettings(resamples=200))
    value, low, high = (each.reshape(N_FEATURES, 3) for each in found)
    a_h = (h[chosen] - h[chosen].mean(axis=0)).astype(float)
    for label in range(2):
        known = ~np.isnan(field[chosen, label]).any(axis=0)
        a_f = np.where(known, field[chosen, label], 0).astype(float)
        a_f = np.tile(a_f - a_f.mean(axis=0), 4)
        weight = np.tile(area * known, 4)
        for feature in range(3):
            cross, one, other = ((weight * p * q).sum() for p, q in ((a_h[..., feature], a_f), (a_h[..., feature],) * 2, (a_f, a_f)))
            assert value[feature, label] == pytest.approx(cross / np.sqrt(one * other), abs=1e-9)
            assert low[feature, label] <= high[feature, label]
    # What never changes has no correlation, neither a field nor a feature.
    assert np.isnan(value[:, 2]).all() and np.isnan(value[3:]).all()
    assert value[0, 0] > 0.2 and low[0, 0] > 0
    np.testing.assert_allclose(sums.mean_nf, h[chosen].mean(axis=0), rtol=1e-6)


def test_an_interval_of_blocks_is_wider_than_its_dates_say(tmp_path):
    """Dates of one block that say the same count once: with four blocks the interval is that of four values."""
    rng = np.random.default_rng(0)
    block = np.repeat(np.arange(4), 3)
    h = np.maximum(rng.standard_normal((4, 4 * N_PLANE, 1)) + 1, 0)[block]
    field = rng.standard_normal((4, 1, N_PLANE))[block].astype(np.float32)
    entries = entries_of(h.astype(np.float32), N_PLANE, tmp_path)
    widths = []
    for by in (block, np.arange(12)):
        sums = sum_anomalies(entries, np.arange(12), by, field, np.ones(N_PLANE), tmp_path)
        _, low, high = correlations(sums, np.array([0]), np.array([0]), AtlasSettings())
        widths.append((high - low).item())
    assert widths[0] > 1.3 * widths[1]


def test_geo_r2_is_the_adjusted_share_of_the_position_mean(dense, tmp_path):
    h, field, _ = dense
    area = np.ones(N_PLANE)
    pattern = np.linspace(0, 8, 4 * N_PLANE)[None, :, None]
    made = np.concatenate([h[..., :1], h[..., :1] * 0.01 + pattern], axis=2)
    sums = sum_anomalies(entries_of(made, N_PLANE, tmp_path), np.arange(N_TIMES), np.zeros(N_TIMES, int), field, area, tmp_path)
    found = geo_r2(sums.within_f, sums.between_f, sums.n)
    x = made.astype(np.float16).astype(float)
    share = 1 - ((x - x.mean(axis=0)) ** 2).sum(axis=(0, 1)) / ((x - x.mean(axis=(0, 1))) ** 2).sum(axis=(0, 1))
    np.testing.assert_allclose(found, np.maximum(1 - (1 - share) * N_TIMES / (N_TIMES - 1), 0), atol=1e-4)
    assert found[0] < 0.1 and found[1] > 0.99


def test_one_snapshot_does_not_say_whether_a_feature_follows_its_place(dense, tmp_path):
    """A mean of one value explains all of it, whatever the feature; of two, it explains nothing of noise."""
    h, field, _ = dense
    entries, area = entries_of(h, N_PLANE, tmp_path), np.ones(N_PLANE)
    one, two = (sum_anomalies(entries, np.arange(n), np.zeros(n, int), field[:n], area, tmp_path) for n in (1, 2))
    assert np.isnan(geo_r2(one.within_f, one.between_f, one.n)).all()
    assert (geo_r2(two.within_f, two.between_f, two.n)[1:3] < 0.25).all()


def test_badges_find_what_was_planted():
    grid = token_grid(BY_ID["encoder_s1_b0"], np.linspace(90, -90, 226), np.arange(450) * 0.8)
    assert grid.shape == (4, 38, 75)
    rng = np.random.default_rng(1)
    _, row, column = np.indices(grid.shape)
    smooth = smooth_noise(rng, 4, *grid.shape[1:], 4)
    maps = np.stack([
        smooth, smooth + 8.0 * ((row % 6 == 1) & (column % 12 == 4)), rng.standard_normal(grid.shape),
        smooth + 0.2 * column / 75, smooth + 5 + 20.0 * (row == 37), (row - 18.5) ** 2 / 40 + np.zeros(grid.shape),
        np.sin(2 * np.pi * column / 75) + 0 * row,
    ])
    flat = maps.reshape(len(maps), -1).astype(np.float32)
    window = window_share(flat, grid.shape)
    assert window[1] > 0.3 and (np.delete(window, 1) < 0.1).all()
    seam = seam_jump(flat + np.where(np.arange(7) == 3, 1, 0)[:, None] * (column.reshape(-1) > 70) * 3, grid.shape)
    assert seam[3] > 4 and seam[2] < 2 and seam[6] < 3
    ratio = padding_ratio(flat, grid)
    assert ratio[4] > 3 and 0.5 < ratio[5] < 2
    assert np.isnan(padding_ratio(flat[:, : 4 * 15 * 30], token_grid(BY_ID["encoder_s0_b0"], LAT, LON))).all()
    assert np.isnan(window_share(flat[:, :128], (4, 4, 8))).all()


def test_weekdays_are_found_and_chance_is_not():
    rng, times = np.random.default_rng(2), year_times(60)
    day = (np.array([time[:10] for time in times], "datetime64[D]").astype(int) + 3) % 7
    mean = np.stack([(day == 5) + 0.1 * rng.random(60), rng.random(60), np.arange(60.0)], axis=1)
    share = weekday_share(mean, times)
    assert share[0] > 0.9 and (share[1:] < 0.2).all()
    assert np.isnan(weekday_share(mean[:20], times[:20])).all()


def test_antipodes_are_the_lowest_cosines(monkeypatch):
    monkeypatch.setattr("aurorascope.atlas.badges._ROWS_AT_ONCE", 4)
    rows = np.random.default_rng(0).standard_normal((11, 6)).astype(np.float32)
    rows[7] = -2 * rows[3]
    cosine, which = antipodes(rows)
    assert which[7] == 3 and which[3] == 7 and cosine[[3, 7]] == pytest.approx(-1, abs=1e-6)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(cosine, (unit @ unit.T).min(axis=1), atol=1e-6)


def test_scale_is_where_a_known_correlation_falls_to_1_over_e(tmp_path):
    """White noise smoothed by a Gaussian of s tokens has the correlation exp(-d^2 / 4 s^2): 1 / e at 2 s."""
    grid = token_grid(BY_ID["encoder_s0_b0"], np.linspace(9, -9, 30), np.arange(360) * 1.0)
    from scipy.ndimage import gaussian_filter1d

    rng, columns = np.random.default_rng(4), grid.shape[2]
    fields = [gaussian_filter1d(rng.standard_normal((6, *grid.shape)), s, axis=3, mode="wrap") for s in (1.5, 2.5)]
    h = np.stack([field / field.std() + 8 for field in fields], axis=-1).reshape(6, -1, 2).astype(np.float32)
    found = scale_km(entries_of(h, grid.shape[1] * columns, tmp_path), np.arange(6), grid, np.arange(2))
    step = 2 * np.pi / columns * 6371
    assert found[0] == pytest.approx(3.0 * step, rel=0.05) and found[1] == pytest.approx(5.0 * step, rel=0.08)


def test_single_tokens_have_a_scale_of_half_a_token_and_more_though_neighbours_at_the_poles_lie_close(tmp_path):
    """On at most one token of a row: 1 / e lies between the token and the next, wherever the rows are."""
    grid = token_grid(BY_ID["encoder_s1_b0"], np.linspace(90, -90, 46), np.arange(90) * 4.0)
    rng, (_, rows, columns) = np.random.default_rng(0), grid.shape
    h = np.zeros((8, 4, rows, columns, 2), np.float32)
    for place in np.ndindex(8, 4, rows):
        h[(*place, rng.integers(columns), 0)] = rng.random() < 0.5
    h[:, :, [0, -1], :, 1] = h[:, :, [0, -1], :, 0]
    found = scale_km(entries_of(h.reshape(8, -1, 2), rows * columns, tmp_path), np.arange(8), grid, np.arange(2))
    step = 2 * np.pi / columns * 6371
    assert 0.5 * step < found[0] < step and 0.5 * step < found[1] <= 1.05 * step


def test_examples_are_the_strongest_token_of_the_strongest_snapshots(dense, tmp_path):
    h, _, _ = dense
    entries, used = entries_of(h, N_PLANE, tmp_path), np.array([0, 2, 3, 6, 9])
    feature, snapshot, token, value = strongest_tokens(entries, used, 3)
    for each in range(4):
        peaks = h[used][..., each].max(axis=1)
        order = np.argsort(-peaks, kind="stable")[:3]
        here = feature == each
        assert snapshot[here].tolist() == used[order].tolist()
        assert token[here].tolist() == [int(h[used[place], :, each].argmax()) for place in order]
        np.testing.assert_array_equal(value[here], peaks[order])
    assert 4 not in feature


def test_area_means_are_weighted(dense, tmp_path):
    h, _, area = dense
    found = area_means(entries_of(h, N_PLANE, tmp_path), np.array([1, 4]), area)
    np.testing.assert_allclose(found, np.average(h[[1, 4]], axis=1, weights=np.tile(area, 4)), rtol=1e-12)
