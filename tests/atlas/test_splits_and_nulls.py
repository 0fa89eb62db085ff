"""Dates are shared out by blocks, whatever their pattern; shifts are distinct, far enough, and as many as there are."""

from dataclasses import replace

import numpy as np
import pytest
from aurorascope.atlas.decoys import q_values, terciles
from aurorascope.atlas.gate import Gate
from aurorascope.atlas.nulls import date_shifts, p_values, rotations, verdict_of, z_values
from aurorascope.atlas.plane import Plane
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.atlas.splits import DROPPED, SELECT, TEST, days_of, make_splits
from aurorascope.blocks import BY_ID
from aurorascope.config.demo_dates import DEMO_DATES
from aurorascope.errors import UserError
from aurorascope.tokens import token_grid
from hypothesis import given
from hypothesis import strategies as st

from tests.atlas.planted import cell_areas, year_times

SETTINGS = AtlasSettings()
DEMO = AtlasSettings(rotations=16, date_shifts=16, alpha=0.06)
HOURS = ("T00:00:00Z", "T12:00:00Z")


def demo_times(split="train"):
    return [f"{day}{hour}" for day in DEMO_DATES[split] for hour in HOURS]


def test_a_year_is_cut_into_blocks_with_dates_left_out_between():
    splits = make_splits(year_times(365), SETTINGS)
    assert splits.reason == "" and sorted(splits.n_blocks) == [11, 12]
    days = days_of(year_times(365))
    for split in (SELECT, TEST):
        assert sorted(set(np.diff(days[splits.of(split)]))) == [1, 23]
    assert (splits.split == DROPPED).sum() == 22 * 6 + 3
    gaps = days[splits.of(TEST)][:, None] - days[splits.of(SELECT)][None, :]
    assert np.abs(gaps).min() == 7


def test_the_demos_runs_are_blocks():
    splits = make_splits(demo_times(), SETTINGS)
    assert splits.n_blocks == (4, 4) and splits.n_dates == (16, 16) and not (splits.split == DROPPED).any()
    assert splits.reason == ""
    # Runs in turn, both hours of a date together.
    assert np.array_equal(splits.block, np.repeat(np.arange(8), 8))
    assert len({splits.split[place] for place in np.flatnonzero(splits.block == 0)}) == 1


@pytest.mark.parametrize("times", [year_times(10), year_times(26), demo_times()[:16], year_times(1)])
def test_too_few_dates_are_refused_with_their_numbers(times):
    splits = make_splits(times, SETTINGS)
    assert splits.reason == "too_few_dates" and min(splits.n_blocks) < 2


@given(st.sets(st.integers(0, 200), min_size=1, max_size=60), st.integers(0, 20))
def test_splits_never_come_closer_than_the_dates_left_out(days, seed):
    times = [f"{np.datetime64('2022-01-01') + day}T12:00:00Z" for day in sorted(days)]
    splits = make_splits(times, AtlasSettings(seed=seed))
    found = days_of(times)
    one, other = found[splits.of(SELECT)], found[splits.of(TEST)]
    if len(one) and len(other):
        assert np.abs(one[:, None] - other[None, :]).min() > SETTINGS.drop_days
    kept = splits.split != DROPPED
    for block in np.unique(splits.block[kept]):
        here = splits.block == block
        assert len(np.unique(splits.split[here])) == 1 and np.ptp(found[here]) < SETTINGS.block_days
    assert splits.n_blocks == tuple(len(np.unique(splits.block[splits.of(each)])) for each in (SELECT, TEST))


def test_the_seed_says_which_split_comes_first():
    firsts = {make_splits(demo_times(), AtlasSettings(seed=seed)).split[0] for seed in range(8)}
    assert firsts == {SELECT, TEST}


def plane_of(block, n_lat, n_lon):
    lat = np.linspace(90, -90, n_lat)
    return Plane.of(token_grid(BY_ID[block], lat, np.arange(n_lon) * 360 / n_lon), cell_areas(lat, n_lon))


@pytest.mark.parametrize("block, size, rule, n_distinct", [
    ("encoder_s0_b0", (451, 900), "tokens", 251), ("encoder_s1_b0", (451, 900), "tokens", 125), ("decoder_s0_b0", (451, 900), "tokens", 62),
    ("encoder_s0_b0", (46, 90), "tokens", 25), ("encoder_s1_b0", (46, 90), "cells", 75), ("encoder_s2_b0", (46, 90), "cells", 75),
    ("encoder_s0_b0", (19, 21), "cells", 18),
])
def test_rotations_are_far_distinct_and_as_many_as_there_are(block, size, rule, n_distinct):
    """By whole tokens where there are enough of those, of cells elsewhere: eight columns of tokens, the last half empty, are turned too."""
    plane = plane_of(block, *size)
    nulls = rotations(plane, SETTINGS)
    shifts = [*nulls.shifts, *nulls.held_out]
    assert (nulls.rule, nulls.n_distinct) == (rule, n_distinct) and len(set(shifts)) == len(shifts)
    assert all(min(shift, size[1] - shift) * 360 / size[1] >= 30 - 1e-9 for shift in shifts)
    step = plane.width if rule == "tokens" else 1
    assert all(shift % step == 0 for shift in shifts)
    assert nulls.reason == ("too_coarse" if n_distinct < 19 else "")
    # 19 distinct ones of which some are held out, or few that are asked for, leave a lowest p above alpha.
    assert rotations(plane, replace(SETTINGS, rotations=18)).reason == "too_coarse"
    if not nulls.reason:
        assert any(shift // step % 12 for shift in shifts) and nulls.held_out
        assert len(nulls.shifts) == min(64, n_distinct - len(nulls.held_out))


def test_date_shifts_of_a_year_keep_the_hour_and_the_distance():
    times = [f"{day[:10]}{hour}" for day in year_times(120) for hour in HOURS]
    nulls = date_shifts(times, SETTINGS)
    days = days_of(times)
    assert nulls.rule == "days" and nulls.n_distinct == 62 and len(nulls.shifts) + len(nulls.held_out) == 62
    for source in (*nulls.shifts, *nulls.held_out):
        moved = np.abs(days[source] - days)
        assert len(set(moved)) == 1 and 10 <= moved[0] <= 40
        assert all(times[a][10:] == times[b][10:] for a, b in enumerate(source))


def test_a_missing_date_leaves_the_shifts():
    """Whoever finds none at the shift's distance takes the nearest there is."""
    times = [time for time in year_times(120) if time[:10] not in ("2022-06-20", "2022-08-01")]
    nulls, days = date_shifts(times, SETTINGS), days_of(times)
    assert nulls.rule == "days" and nulls.n_distinct == 62
    for source in nulls.shifts:
        moved = np.abs(days[source] - days)
        assert ((moved >= 10) & (moved <= 40)).all() and (moved == np.median(moved)).mean() >= 0.95


def test_date_shifts_of_runs_take_another_run():
    times = demo_times()
    nulls = date_shifts(times, DEMO)
    assert nulls.rule == "runs" and nulls.n_distinct == 28 and len(nulls.shifts) == 16 and nulls.held_out and not nulls.reason
    run = np.arange(len(times)) // 8
    for source in (*nulls.shifts, *nulls.held_out):
        assert sorted(source) == list(range(len(times))) and (run[source] != run).all()
        assert all(times[a][10:] == times[b][10:] for a, b in enumerate(source))
    assert len({source.tobytes() for source in nulls.shifts}) == 16


def test_few_dates_have_too_few_shifts():
    assert date_shifts(year_times(12), SETTINGS).reason == "too_coarse"
    assert date_shifts(demo_times("held_out"), SETTINGS).n_distinct == 8


def test_p_and_z_are_those_of_the_definition():
    null = np.array([[0.1, 0.5], [0.2, 0.5], [0.3, 0.5]])
    real = np.array([0.25, 0.5])
    np.testing.assert_allclose(p_values(real, null), [2 / 4, 1.0])
    z = z_values(real, null)
    assert z[0] == pytest.approx((0.25 - 0.2) / np.std([0.1, 0.2, 0.3])) and np.isnan(z[1])
    assert verdict_of(np.array([True, True, False, False]), np.array([True, False, True, False])).tolist() == [
        "event", "place", "zonal/season", "unlabelled",
    ]


@given(st.integers(0, 1000))
def test_q_is_the_smallest_ratio_at_any_lower_score(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(3, 40))
    real, decoys = rng.integers(0, 8, n) / 7, rng.integers(0, 8, (5, n)) / 7
    third = terciles(rng.random(n) * (rng.random(n) < 0.9))
    q = q_values(real, decoys, third)
    for feature in range(n):
        here = third == third[feature]
        if third[feature] < 0:
            assert q[feature] == 1
            continue
        ratios = [
            (decoys[:, here] >= s).sum() / 5 / (real[here] >= s).sum() for s in real[here] if s <= real[feature]
        ]
        assert q[feature] == pytest.approx(min(1.0, *ratios))


def test_terciles_are_thirds_of_what_is_on():
    third = terciles(np.array([0.0, 5, 1, 3, 2, 6, 4]))
    assert third.tolist() == [-1, 2, 0, 1, 0, 2, 1]


@pytest.mark.parametrize("lift, verdict", [(0.0, "calibrated"), (0.6, "uncalibrated")])
def test_the_gate_closes_where_false_labels_score_higher_than_the_nulls_say(lift, verdict):
    rng, gate = np.random.default_rng(0), Gate([np.arange(30)] * 6, 90, SETTINGS)
    third = terciles(np.arange(1, 91.0))
    for _ in range(4):
        held_out = rng.random((6, 90)) + lift * (rng.random((6, 90)) < 0.5)
        gate.add(np.concatenate([rng.random((30, 90)), held_out]), third)
    found = gate.result(third)
    assert found["verdict"] == verdict and found["n"] == 6 * 90
    assert (found["rate"] <= found["tolerated"]) == (verdict == "calibrated")


def test_a_score_that_is_high_over_a_stretch_of_shifts_is_seen_by_the_gate():
    """A held-out shift's neighbours are as high as it is: as its nulls they would hide it, as shifts near the label's are left out."""
    plane = plane_of("encoder_s1_b0", 46, 90)
    nulls = rotations(plane, DEMO)
    shifts = np.array([*nulls.shifts, *nulls.held_out])
    assert len(nulls.against) == len(nulls.held_out) > 0
    for at, places in zip(nulls.held_out, nulls.against, strict=True):
        between = np.abs(shifts[places] - at)
        assert (np.minimum(between, 90 - between) * 4 >= 30).all() and 12 <= len(set(places.tolist())) <= len(nulls.shifts)
    apart = np.abs(shifts[:, None] - shifts[None, :])
    near = np.minimum(apart, 90 - apart) * 4 < 30
    rates = []
    for against in (nulls.against, [np.flatnonzero(np.arange(len(shifts)) < len(nulls.shifts))] * len(nulls.held_out)):
        gate = Gate(against, 90, replace(DEMO, alpha=0.1, q=0.5))
        for place in range(len(nulls.shifts), len(shifts)):
            gate.add(np.repeat(near[place][:, None].astype(float), 90, 1), np.zeros(90, int))
        rates.append(gate.result(np.zeros(90, int))["rate"])
    assert rates[0] == 1.0 > rates[1]


def test_date_shifts_of_the_gate_are_compared_with_the_labels_own_nulls():
    for times, settings in ((demo_times(), DEMO), ([f"{day[:10]}{hour}" for day in year_times(120) for hour in HOURS], SETTINGS)):
        nulls = date_shifts(times, settings)
        assert len(nulls.held_out) == len(nulls.against) > 0
        assert all(places.tolist() == list(range(len(nulls.shifts))) for places in nulls.against)
        every = [source.tobytes() for source in (*nulls.shifts, *nulls.held_out)]
        assert len(set(every)) == len(every)


def test_a_gate_that_saw_nothing_says_so():
    assert Gate([], 5, SETTINGS).result(np.zeros(5))["verdict"] == "not tried"


@pytest.mark.parametrize("wrong", [{"bins": 60}, {"null_bins": 12}, {"null_bins": 128}, {"octaves": 7}, {"octaves": 0}])
def test_bins_that_do_not_fold_are_refused(wrong):
    with pytest.raises(UserError, match="atlas setting"):
        AtlasSettings(**wrong)
