"""Quantiles of the training states, and labels by formula against the truth that the demo was made with."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import xarray as xr
from aurorascope.cams import demo
from aurorascope.cams.demo_truth import demo_truth
from aurorascope.config.demo_dates import DEMO_DATES
from aurorascope.config.thresholds import DEMO, YEAR
from aurorascope.labels.all import LABELS, label_state
from aurorascope.labels.quantiles import AreaHistogram
from aurorascope.labels.reference import Reference, doubts
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.labels.made import DEMO_GRID, LAT, TIME, demo_label_state, found, label_state_of

finite = st.floats(-(2.0**100), 2.0**100, width=32)


def times_of(split: str, every: int = 1) -> list:
    """Noon of some dates of a split of the demo."""
    return [demo.times_of(date, [12])[0] for date in DEMO_DATES[split][::every]]


@pytest.fixture(scope="module")
def training():
    return [demo_label_state(time) for time in times_of("train", 2)]


@given(arrays(np.float32, st.integers(1, 40), elements=finite), st.data(), st.floats(0.1, 99.9))
def test_a_quantile_is_that_of_brute_force(values, data, percentile):
    """To the width of a bin; whatever the order and grouping."""
    areas = data.draw(arrays(np.int64, len(values), elements=st.integers(1, 2**40)))
    order = data.draw(st.permutations(range(len(values))))
    one, other = AreaHistogram("one"), AreaHistogram("other")
    one.add(values, areas)
    for index in order:
        other.add(values[[index]], areas[[index]])
    np.testing.assert_array_equal(one.areas, other.areas)
    ranked = np.argsort(values, kind="stable")
    enough = np.cumsum(areas[ranked]) >= percentile / 100 * int(areas.sum())
    exact = float(values[ranked][enough.argmax()])
    found = one.quantile(percentile)
    assert found <= exact and exact - found <= abs(found) * 2**-10 + 1e-38


def test_values_that_are_nothing_count_for_nothing():
    histogram = AreaHistogram("it")
    histogram.add(np.array([np.nan, 2.0, -0.0], np.float32), np.array([10, 1, 1]))
    assert histogram.areas.sum() == 2 and histogram.quantile(25) == 0.0 and histogram.quantile(99) == 2.0
    with pytest.raises(ValueError, match="it has an infinite value"):
        histogram.add(np.array([np.inf], np.float32), np.array([1]))
    with pytest.raises(ValueError, match="no cell has a value of that"):
        AreaHistogram("that").quantile(50)


def test_the_order_of_states_changes_no_bit(training):
    few = training[:4]
    digests = {Reference.of(states, YEAR).sha256() for states in itertools.islice(itertools.permutations(few), 0, 24, 5)}
    assert len(digests) == 1
    assert Reference.of(few[:3], YEAR).sha256() not in digests
    assert Reference.of(few, dataclasses.replace(YEAR, dust_percentile=94)).sha256() not in digests


def test_quantiles_are_of_the_states_that_were_given(training):
    reference = Reference.of(training, YEAR)
    area = np.stack([state.place.area_yx for state in training])
    pm10, pm2p5, tcco = (np.stack([state.now.values[name] for state in training]) for name in ("pm10", "pm2p5", "tcco"))
    share = (area * (pm10 >= reference.values["dust_pm10"])).sum() / area.sum()
    assert share == pytest.approx(0.05, abs=0.001)
    land = training[0].place.static["lsm"] >= 0.5
    share = (area * (pm2p5 >= reference.values["smoke_pm2p5"]))[:, land].sum() / area[:, land].sum()
    assert share == pytest.approx(0.01, abs=0.001)
    np.testing.assert_array_equal(reference.tcco["smoke"], np.sort(tcco, axis=0)[int(np.ceil(0.95 * len(tcco))) - 1])


@pytest.mark.parametrize("percentile", [50.0, 90.0, 95.0, 99.0])
def test_too_few_states_for_a_percentile_over_times_are_said(percentile):
    """Exactly where that percentile of n different values is the largest of them; of one, every percentile is."""
    limits = dataclasses.replace(YEAR, salt_tcco_percentile=percentile, smoke_tcco_percentile=5.0)
    for n in range(1, 121):
        is_largest = np.quantile(np.arange(n), percentile / 100, method="inverted_cdf") == n - 1
        said = doubts(n, limits)
        assert len(said) == is_largest and all("sea_salt" in line and ("smoke" in line) == (n == 1) for line in said), n
        assert not said or f"which take {math.ceil(100 / (100 - percentile))}:" in said[0]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_of_few_states_smoke_and_salt_are_what_the_line_says(n):
    """A windy, salty sea with every other sign of either label, and more and more carbon monoxide."""
    at = [TIME + np.timedelta64(24 * each, "h") for each in range(n)]
    fields = {"u10": 20.0, "pm10": 1e-8, "pm2p5": 6.5e-9}
    states = [label_state_of({**fields, "tcco": 1e-3 * (1 + each)}, time=time) for each, time in enumerate(at)]
    reference = Reference.of(states, YEAR)
    on = {name: [found(name, state, reference)[0][len(LAT) // 2].any() for state in states] for name in ("smoke", "sea_salt")}
    assert on == {"smoke": [False] * n, "sea_salt": [True] * (n - 1) + [False]}
    high = [(state.now.values["tcco"] >= reference.tcco["smoke"]).all() for state in states]
    assert high == [False] * (n - 1) + [True]
    words = ("is always high", "is never low") if n == 1 else ("at one of these times alone", "at all of these times but one")
    assert all(each in doubts(n, YEAR)[0] for each in words)


def test_a_reference_survives_netcdf(training, tmp_path):
    reference = Reference.of(training[:3], YEAR)
    reference.to_dataset().to_netcdf(tmp_path / "reference.nc")
    with xr.open_dataset(tmp_path / "reference.nc") as data:
        again = Reference.from_dataset(data.load())
    assert again.sha256() == reference.sha256() and again.values == reference.values and again.times == reference.times


def test_references_for_something_else_are_refused(training):
    reference = Reference.of(training[:2], YEAR)
    with pytest.raises(ValueError, match="other thresholds"):
        label_state(training[0], reference, DEMO)
    with pytest.raises(ValueError, match="another grid"):
        label_state(label_state_of(), reference, YEAR)
    with pytest.raises(ValueError, match="2022-01-10T12:00:00Z twice"):
        Reference.of([training[0], training[0]], YEAR)
    with pytest.raises(ValueError, match="another grid or other levels"):
        Reference.of([training[0], label_state_of()], YEAR)
    with pytest.raises(ValueError, match="of no state"):
        Reference.of([], YEAR)


def test_labels_by_formula_find_what_the_demo_was_made_with(training):
    """On held-out dates, with quantiles and thresholds of training dates alone."""
    times = times_of("held_out")
    truth, reference = demo_truth(times, *DEMO_GRID), Reference.of(training, DEMO)
    states = [demo_label_state(time) for time in times]
    labelled = [label_state(state, reference, DEMO).set_index(label="label") for state in states]
    area = np.stack([state.place.area_yx for state in states])
    f1 = {}
    for name in ("dust", "smoke", "jet"):
        mask = np.stack([data["mask"].sel(label=name).values for data in labelled]) == 1
        expected = truth[name].values == 1
        f1[name] = 2 * (area * (mask & expected)).sum() / ((area * mask).sum() + (area * expected).sum())
    assert f1["dust"] >= 0.9 and f1["smoke"] >= 0.9 and f1["jet"] >= 0.95, f1


@pytest.mark.parametrize(
    ("label", "changes"),
    [
        ("dust", {"dust_percentile": (15.0, 50.0, 75.0), "dust_ratio": (0.3, 0.6), "dust_salt": (0.0, 2e-8, 8e-8)}),
        ("smoke", {"smoke_percentile": (20.0, 60.0), "smoke_ratio": (0.6,), "smoke_co_so2": (0.0, 60.0, 250.0)}),
    ],
)
def test_the_demos_thresholds_fit_its_training_dates(training, label, changes):
    """None of those that were fitted can be moved far without losing on the training dates."""
    truth = demo_truth(times_of("train", 2), *DEMO_GRID)[label].values == 1
    area = np.stack([state.place.area_yx for state in training])

    def score(thresholds):
        reference = Reference.of(training, thresholds)
        mask = np.stack([LABELS[label].function(state, reference, thresholds)[0] for state in training])
        return 2 * (area * (mask & truth)).sum() / ((area * mask).sum() + (area * truth).sum())

    fitted = score(DEMO)
    moved = {(name, value): score(dataclasses.replace(DEMO, **{name: value})) for name, values in changes.items() for value in values}
    assert fitted >= 0.9 and all(value < fitted for value in moved.values()), (fitted, moved)


def test_labels_are_the_same_bits_whatever_was_computed_before(training):
    reference = Reference.of(training[:2], YEAR)
    first = label_state(training[0], reference, YEAR)
    fresh = demo_label_state(times_of("train", 2)[0])
    xr.testing.assert_identical(first, label_state(fresh, reference, YEAR))
