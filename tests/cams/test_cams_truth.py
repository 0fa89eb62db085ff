"""What the demo says that its atmosphere was made of, beside its states."""

import datetime

import numpy as np
import pytest
import xarray as xr
from aurorascope.cams import demo
from aurorascope.cams.day import make_day
from aurorascope.cams.demo_truth import STRENGTHS, demo_truth
from aurorascope.cams.grid import regular_grid
from aurorascope.cams.variables import LEVELS
from aurorascope.config.calendar import day_hours
from aurorascope.sphere import connected
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.config.raw import typed

GRID = regular_grid(46, 90)
PLUMES = {"dust": "DUST_PM", "smoke": "FIRE_PM", "city": "CITY_PM"}


def state(time):
    return demo.demo_state(time, *GRID, LEVELS)


def times_needed(demo_raw):
    """One state of every date that the demo needs."""
    hours = day_hours(typed(demo_raw).cams)
    return [demo.times_of(day, asked)[-1] for day, asked in sorted(hours.items()) if asked]


def test_every_date_agrees_with_its_states(demo_raw):
    """Winds and pressures are the states' own; a plume's strongest cell lies in its mask, and stands out in the states."""
    times = times_needed(demo_raw)
    assert len(times) >= 20
    truth = demo_truth(times, *GRID)
    for place, time in enumerate(times):
        fields, here = state(time), truth.isel(time=place)
        assert here["time"].values == np.datetime64(time.replace(tzinfo=None))
        wind = np.hypot(fields["u"].sel(level=250), fields["v"].sel(level=250))
        np.testing.assert_allclose(here["jet_strength"], wind, rtol=1e-5, atol=1e-3)
        assert ((wind >= 30) == (here["jet"] == 1)).mean() > 0.999 and here["jet"].any()
        depth = fields["msl"].mean("longitude") - fields["msl"]
        np.testing.assert_allclose(here["low_strength"], depth.transpose("latitude", "longitude"), atol=0.1)
        pm10, co = fields["pm10"].values, fields["co"].sel(level=1000).values
        for name in PLUMES:
            mask, strength = here[name].values == 1, here[f"{name}_strength"].values
            assert 0.002 < mask.mean() < 0.3 and mask.reshape(-1)[strength.argmax()]
            seen = pm10 if name == "dust" else co
            assert np.median(seen[mask]) > 1.5 * np.median(seen)


@pytest.mark.parametrize("name", PLUMES)
def test_a_plume_is_what_is_missing_without_it(name, monkeypatch):
    """PM10 with and without a kind of source differ by its strength, and by half of PM10 where the mask says so."""
    time = datetime.datetime(2022, 6, 9, 12, tzinfo=datetime.UTC)
    days = demo.days_of(time)

    def pm10():
        air, puffs = demo.flow(days, *GRID), demo.trapped_plumes(days, *GRID)
        fields = demo.composition(days, *GRID, air, puffs)
        return fields["pm10"] * demo.UNITS["pm10"]

    found, whole = demo_truth([time], *GRID).isel(time=0), pm10()
    monkeypatch.setattr(demo, PLUMES[name], 0.0)
    given_by = whole - pm10()
    np.testing.assert_allclose(found[f"{name}_strength"], given_by, rtol=1e-4, atol=1e-12)
    gives_half = given_by >= 0.5 * whole
    if name == "dust":
        np.testing.assert_array_equal(found[name] == 1, gives_half)
    assert (found[name].values == 1)[gives_half].all() and gives_half.any()


@given(arrays(bool, st.tuples(st.integers(1, 6), st.integers(3, 7))))
def test_objects_are_connected_across_corners_and_the_first_meridian(mask):
    """Two cells have one number where a walk over the mask joins them."""
    columns = mask.shape[1]
    numbers = connected(mask)
    assert ((numbers > 0) == mask).all() and set(np.unique(numbers)) <= set(range(numbers.max() + 1))
    left, walks = set(zip(*np.nonzero(mask), strict=True)), []
    while left:
        walk = [left.pop()]
        for y, x in walk:
            near = {(y + dy, (x + dx) % columns) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            walk += near
        walks.append(walk)
    assert numbers.max() == len(walks)
    assert all(len({numbers[cell] for cell in walk}) == 1 for walk in walks)


def test_a_day_has_its_truth_beside_it(tmp_path, demo_raw):
    """The same bytes each time; masks, strengths and objects of the states' hours in the types that are promised."""
    cams = typed(demo_raw).cams
    paths = [tmp_path / name / "2022-06-09.json" for name in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        make_day("2022-06-09", path, cams, [0, 12])
    one, other = (path.with_name("2022-06-09.truth.nc").read_bytes() for path in paths)
    assert one == other
    with xr.open_dataset(paths[0].with_name("2022-06-09.truth.nc")) as data:
        assert [str(time)[:13] for time in data["time"].values] == ["2022-06-09T00", "2022-06-09T12"]
        for name in STRENGTHS:
            types = {f"{name}{end}": data[f"{name}{end}"].dtype for end in ("", "_strength", "_object")}
            assert list(types.values()) == [np.uint8, np.float32, np.uint16], types
            assert data[name].dims == ("time", "latitude", "longitude") == data[f"{name}_object"].dims
            assert ((data[f"{name}_object"] > 0) == (data[name] == 1)).all()
