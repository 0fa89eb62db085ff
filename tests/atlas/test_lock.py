"""Overlaps of active tokens are those of plain sets, and tell a feature that stays from one that moves, is dense, or comes and goes."""

import itertools

import numpy as np
import pytest
from aurorascope.atlas.badges import Limits, is_locked
from aurorascope.atlas.lock import measure_overlaps, pair_dates

from tests.atlas.planted import entries_of, year_times

N_TIMES, N_PLANE = 40, 50
N = 4 * N_PLANE


def times_of(n_days, hours=("12",)):
    """As many dates, each at all hours, ascending."""
    return sorted(time.replace("T12", f"T{hour}") for time in year_times(n_days) for hour in hours)


def measured(on_tnf, folder, times=None, most=16, order=None):
    """Overlaps of features that are on where `on_tnf` says, and the pairs."""
    times = year_times(len(on_tnf)) if times is None else times
    pairs = pair_dates(times, most, 0)
    entries = entries_of(on_tnf.astype(np.float32), on_tnf.shape[1] // 4, folder, order=order)
    return measure_overlaps(entries, np.arange(len(times)), pairs), pairs


@pytest.mark.parametrize("cells", [1, 700, 1 << 23])
@pytest.mark.parametrize("hours", [("12",), ("00", "12"), ("00", "06", "18")])
def test_overlaps_are_those_of_sets(tmp_path, monkeypatch, cells, hours):
    """Against sets in Python, in tiles of one token, of a hundred and of all; the order in which snapshots were added changes no bit."""
    monkeypatch.setattr("aurorascope.atlas.lock._TILE", cells)
    rng, times = np.random.default_rng(len(hours)), times_of(24 // len(hours), hours)
    on = rng.random((24, 24, 6)) < np.array([0.02, 0.1, 0.3, 0.6, 1.0, 0.0])
    on[::3, :, 2] = False
    found, pairs = measured(on, tmp_path, times, most=9)
    sets = [[set(np.flatnonzero(on[at, :, f]).tolist()) for at in range(24)] for f in range(6)]
    for feature, of in enumerate(sets):
        two = [(of[a], of[b]) for each in pairs for a, b in each if of[a] and of[b]]
        lock = np.mean([len(a & b) / len(a | b) for a, b in two]) if len(two) > 2 else np.nan
        chance = [len(a) * len(b) / 24 for a, b in two]
        random = np.mean([c / (len(a) + len(b) - c) for c, (a, b) in zip(chance, two, strict=True)]) if len(two) > 2 else np.nan
        both = either = 0
        for each in pairs:
            for a, b in itertools.permutations(each.reshape(-1).tolist(), 2):
                both, either = both + len(of[a] & of[b]), either + len(of[a] | of[b])
        np.testing.assert_allclose(found.lock[feature], lock, rtol=1e-13)
        np.testing.assert_allclose(found.random[feature], random, rtol=1e-13)
        np.testing.assert_allclose(found.expected[feature], both / either if either else np.nan, rtol=1e-13)
    again, _ = measured(on, tmp_path, times, most=9, order=rng.permutation(24))
    for name in ("lock", "expected", "random"):
        assert getattr(found, name).tobytes() == getattr(again, name).tobytes()


def test_tokens_that_are_on_each_by_itself_overlap_as_expected(tmp_path):
    """Frequencies from 0 to 1: lock and expectation are both sum p^2 / sum (2 p - p^2), far above as many tokens anywhere."""
    rng, p_n = np.random.default_rng(0), np.linspace(0, 1, 4000) ** 3
    found, _ = measured(rng.random((64, 4000, 1)) < p_n[:, None], tmp_path, most=32)
    theory = (p_n**2).sum() / (2 * p_n - p_n**2).sum()
    assert found.lock[0] == pytest.approx(theory, abs=0.01) and found.expected[0] == pytest.approx(theory, abs=0.01)
    assert found.random[0] == pytest.approx(0.25 / 1.75, abs=0.01) and theory > 0.35


def test_what_never_comes_back_is_not_expected_to(tmp_path):
    """A token on one date, another on the next: frequencies of 1 / 32 each do not say that dates share tokens."""
    found, _ = measured(np.eye(32, 32, dtype=bool)[:, :, None], tmp_path)
    assert (found.lock[0], found.expected[0]) == (0, 0) and found.random[0] == pytest.approx(1 / 63)


PLANTED = ("fixed", "wanders", "every other date", "everywhere", "dense noise", "all but a corner", "by the hour", "two dates", "never")


def planted(n_days=N_TIMES):
    """Features in the order of `PLANTED`, at two hours a date."""
    rng, times = np.random.default_rng(1), times_of(n_days, ("00", "12"))
    n, token = len(times), np.arange(N)
    fixed = np.broadcast_to(token % 13 == 2, (n, N))
    wanders = (token[None, :] - rng.integers(N, size=n)[:, None]) % N < 15
    by_hour = np.where(np.arange(n)[:, None] % 2, token < 20, token >= 180)
    is_even = (np.arange(n) // 2 % 2 == 0)[:, None]
    made = [
        fixed, wanders, fixed & is_even, np.ones((n, N)), rng.random((n, N)) < 0.9, np.broadcast_to(token > 30, (n, N)), by_hour,
        fixed & (np.arange(n) < 4)[:, None], np.zeros((n, N)),
    ]
    return np.stack(made, axis=-1).astype(bool), times


def test_what_stays_is_locked_and_what_moves_or_is_everywhere_is_not(tmp_path):
    on, times = planted()
    found, _ = measured(on, tmp_path, times)
    locked = is_locked(found.lock, found.random, Limits().lock)
    assert [name for name, is_so in zip(PLANTED, locked, strict=True) if is_so] == [
        "fixed", "every other date", "all but a corner", "by the hour",
    ]
    of = {name: (found.lock[at], found.expected[at], found.random[at]) for at, name in enumerate(PLANTED)}
    assert of["fixed"][:2] == of["all but a corner"][:2] == of["by the hour"][:2] == of["everywhere"][:2] == (1, 1)
    assert of["everywhere"][2] == 1 and of["dense noise"][0] == pytest.approx(of["dense noise"][2], abs=0.02)
    # On on half of the dates, always the same tokens: its tokens' frequencies alone would give a third.
    assert of["every other date"][0] == 1 and of["every other date"][1] == pytest.approx(1 / 3, abs=0.1)
    assert of["wanders"][0] < 0.15
    assert np.isnan(of["two dates"][0]) and np.isnan(of["never"]).all()


def test_pairs_keep_the_hour_and_no_date_is_in_two():
    times = times_of(50, ("00", "12"))
    pairs = pair_dates(times, 16, 3)
    assert [each.shape for each in pairs] == [(8, 2), (8, 2)]
    for hour, each in zip(("00", "12"), pairs, strict=True):
        assert {times[place][11:13] for place in each.reshape(-1)} == {hour}
        assert len(set(each.reshape(-1).tolist())) == 16
        # Evenly spaced over all dates, near and far from each other.
        assert min(each.reshape(-1)) <= 1 and max(each.reshape(-1)) >= 98
        assert np.ptp(np.abs(np.diff(each, axis=1))) > 20
    assert all(np.array_equal(a, b) for a, b in zip(pairs, pair_dates(times, 16, 3), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(pairs, pair_dates(times, 16, 4), strict=True))
    assert [each.shape for each in pair_dates(times_of(3), 16, 0)] == [(1, 2)]
    assert pair_dates(times_of(1, ("00", "12")), 16, 0) == []


def test_without_a_pair_nothing_is_said(tmp_path):
    found, pairs = measured(np.ones((2, 8, 3)), tmp_path, times_of(1, ("00", "12")))
    assert pairs == [] and np.isnan([found.lock, found.expected, found.random]).all()
