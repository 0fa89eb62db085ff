"""What features usually are: sums over tokens in pieces against the definition, one feature at a time."""

import itertools

import numpy as np
import pytest
import torch
from aurorascope.features import statistics
from aurorascope.features.statistics import UsualSums, active_p99
from aurorascope.sae.active import Active

T, N, H = 12, 90, 7
# The first tokens are padding alone.
AREA_N = np.where(np.arange(N) < 5, 0, 1 + np.arange(N) ** 2 % 37).astype(np.int64)


def made(seed=0):
    """Features of both signs: the first are nearly always on, the last never; values that meet again and again."""
    draw = np.random.default_rng(seed)
    on = draw.random((T, N, H)) < np.linspace(0.95, 0, H)
    values = draw.standard_normal((T, N, H)).astype(np.float32)
    values[..., 2] = np.round(values[..., 2] * 2) / 2
    return np.where(on, values, 0).astype(np.float32)


def active(h_nf):
    rows, columns = np.nonzero(h_nf)
    ends = np.searchsorted(rows, np.arange(len(h_nf) + 1)).astype(np.int64)
    return Active(torch.from_numpy(h_nf[rows, columns]), columns.astype(np.int32), ends, H)


def summed(h_tnf, signed, pieces=(0, N), form=np.asarray):
    sums = UsualSums(AREA_N, H, T, signed)
    for h_nf in h_tnf:
        for first, last in itertools.pairwise(pieces):
            sums.add(form(h_nf[first:last]), first)
    return sums.usual()


def by_definition(v_tn):
    """Mean, mean where on and percentile of one feature, none of whose values is negative."""
    area = np.broadcast_to(AREA_N, v_tn.shape).astype(float)
    is_on = (v_tn > 0) & (area > 0)
    if not is_on.any():
        return 0.0, np.nan, np.nan
    values, areas, total = v_tn[is_on], area[is_on], (v_tn * area).sum()
    p99 = min(value for value in values if areas[values <= value].sum() >= 0.99 * areas.sum())
    return total / area.sum(), total / areas.sum(), p99


def same(found, other):
    return all(np.array_equal(getattr(found, name), getattr(other, name), equal_nan=True) for name in ("mean_f", "active_mean_f", "p99_f"))


@pytest.mark.parametrize("kept", [1 << 24, 40])
@pytest.mark.parametrize("signed", [False, True])
def test_each_feature_is_what_the_definition_says(monkeypatch, kept, signed):
    """With few values kept, too: those that cannot be the percentile any more are dropped on the way."""
    monkeypatch.setattr(statistics, "_FIRST", kept)
    h = made() if signed else np.abs(made())
    found = summed(h, signed)
    features = [part for f in range(H) for part in (h[..., f].clip(0), (-h[..., f]).clip(0))] if signed else [h[..., f] for f in range(H)]
    assert len(found.mean_f) == len(features)
    for f, v_tn in enumerate(features):
        mean, active_mean, p99 = by_definition(v_tn.astype(np.float64))
        assert np.allclose((found.mean_f[f], found.active_mean_f[f]), (mean, active_mean), rtol=1e-12, equal_nan=True)
        assert np.array_equal(found.p99_f[f], p99, equal_nan=True)
    assert np.isnan(found.p99_f[-1]) and found.mean_f[-1] == 0


def test_pieces_and_forms_change_no_bit(monkeypatch):
    h = np.abs(made(1))
    first = summed(h, False)
    monkeypatch.setattr(statistics, "_FIRST", 25)
    assert same(first, summed(h, False, (0, 1, 40, 41, N)))
    assert same(first, summed(h, False, (0, 33, N), active)) and same(first, summed(h, False, form=torch.from_numpy))


def test_what_cannot_be_the_percentile_is_not_kept(monkeypatch):
    """A feature that is on everywhere: of a hundred dates about one date's values are left, and they are the highest."""
    monkeypatch.setattr(statistics, "_FIRST", 100)
    area_n, draw = np.ones(200, np.int64), np.random.default_rng(2)
    values = draw.random((100, 200, 1), np.float32) + 1
    sums = UsualSums(area_n, 1, 100, False)
    for h_nf in values:
        sums.add(h_nf)
    assert sums._n_kept <= 2 * 0.0101 * values.size
    assert sums.usual().p99_f[0] == np.sort(values.ravel())[int(0.99 * values.size) - 1]


def test_area_below_counts():
    """Of a hundred equal areas the 99th is asked for, whether all are given or the highest ten alone."""
    values, areas = np.arange(100.0), np.full(100, 3)
    assert active_p99(values, areas) == active_p99(values[90:], areas[90:], 270) == 98
    assert np.isnan(active_p99(values[:0], areas[:0]))
