"""Labels of two days of real meteorology are where the weather is known to be, which no state that we made could show.

Winds, temperatures, pressure and moisture are real, at noon UTC of a January and an October day on 2.5 degrees. Particles and gases
are made up, the same on both days: of those labels only what holds of any air is asked.
"""

import functools
import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from aurorascope.cams.validate import read_day
from aurorascope.cams.variables import LEVELS, STATIC
from aurorascope.config.thresholds import YEAR
from aurorascope.labels import fields
from aurorascope.labels.all import label_state
from aurorascope.labels.reference import Reference
from aurorascope.labels.state import GRAVITY, LabelState

FOLDER = os.environ.get("AURORASCOPE_REAL_DATA", "")
pytestmark = pytest.mark.skipif(not FOLDER, reason="AURORASCOPE_REAL_DATA names no folder with ads/<date>.zip and static.nc")
JANUARY, OCTOBER = "2011-01-15", "2011-10-11"
both = pytest.mark.parametrize("date", [JANUARY, OCTOBER])


class Labelled:
    """One day's state and labels."""

    def __init__(self, state: LabelState, labels: xr.Dataset) -> None:
        self.now, self.place = state.now, state.place
        self.area_yx, self.away_yx = self.place.area_yx.astype(float), np.abs(self.place.lat_yx)
        self.labels = labels.set_index(label="label")

    def on(self, name: str) -> np.ndarray:
        return self.labels["mask"].sel(label=name).values == 1

    def objects(self, name: str) -> list[np.ndarray]:
        number = self.labels["object"].sel(label=name).values
        return [number == each for each in range(1, number.max() + 1)]

    def share(self, part_yx: np.ndarray, of_yx: np.ndarray | bool = True) -> float:
        """Area of one mask within another, in that of the other."""
        of_yx = np.broadcast_to(of_yx, self.place.shape)
        return float(self.area_yx[part_yx & of_yx].sum() / self.area_yx[of_yx].sum())


@functools.cache
def labelled(date: str) -> Labelled:
    """Quantiles are those of January, as in a run that trains on it."""
    with xr.open_dataset(Path(FOLDER) / "static.nc") as data:
        static = {name: data[name].values for name in STATIC}

    def state(day: str) -> LabelState:
        states = read_day(Path(FOLDER) / "ads" / f"{day}.zip", day, (0, 12), LEVELS).states
        return LabelState.of(states.isel(time=1), states.isel(time=0), static)

    now = state(date)
    return Labelled(now, label_state(now, Reference.of([state(JANUARY)], YEAR), YEAR))


@both
def test_half_of_the_globe_has_day_about_greenwich(date):
    day = labelled(date)
    sun = day.labels["field"].sel(label="day").values
    row, column = np.unravel_index(sun.argmax(), sun.shape)
    # The almanac's declinations at noon: -21.1 and -7.0 degrees; the formula is good to half a degree.
    assert abs(day.place.lat[row] - {JANUARY: -21.1, OCTOBER: -7.0}[date]) <= 1.75 and day.place.lon[column] == 0
    assert day.share(day.on("day")) == pytest.approx(0.5, abs=0.01)
    assert day.on("day")[day.place.lat < -85].all() and not day.on("day")[day.place.lat > 85].any()


@both
def test_jets_blow_in_middle_latitudes_of_both_hemispheres(date):
    day = labelled(date)
    middle = (day.away_yx >= 20) & (day.away_yx <= 70)
    assert day.share(middle, day.on("jet")) > 0.8 and day.share(middle, day.on("jet_core")) > 0.99
    # The westerly component, in which jets blow almost everywhere.
    assert day.share(day.now.level("u", 250) > 0, day.on("jet_core")) > 0.9
    for half in (day.place.lat_yx > 0, day.place.lat_yx < 0):
        assert 0.1 < day.share(day.on("jet"), half) < 0.5 and day.share(day.on("jet_core"), half) > 0.01


@both
def test_lows_lie_where_pressure_is_low_and_air_turns(date):
    """Below their latitude's mean, above sea by 10 hPa or more; strong rotation is several times as frequent in them."""
    day = labelled(date)
    is_sea = day.place.static["lsm"] < 0.5
    depth = day.labels["field"].sel(label="low").values
    assert 10 <= len(day.objects("low")) <= 60
    assert np.average(depth[day.on("low") & is_sea], weights=day.area_yx[day.on("low") & is_sea]) > 1000
    for half in (day.place.lat_yx > 0, day.place.lat_yx < 0):
        assert day.share(day.on("cyclonic_core"), day.on("low") & is_sea & half) > 3 * day.share(day.on("cyclonic_core"), is_sea & half)


@both
def test_tropical_cyclones_are_in_the_hemisphere_of_their_season(date):
    """Southern in January, northern in October; in October two lie west of Mexico, where Jova and Irwin were."""
    day = labelled(date)
    found = [(day.place.lat_yx[each].mean(), np.broadcast_to(day.place.lon, each.shape)[each].mean()) for each in day.objects("tropical_cyclone")]
    assert found and all((lat < 0) == (date == JANUARY) for lat, _ in found)
    if date == OCTOBER:
        assert [10 < lat < 22 and 235 < lon < 260 for lat, lon in found] == [True, True]


@both
def test_rivers_carry_moisture_to_the_poles(date):
    """Between 30 and 50 degrees a twelfth of the area or so carries several times its share of what moves polewards."""
    day = labelled(date)
    levels = [level for level in LEVELS if level >= 300]
    flux = day.now.integrate({level: day.now.level("q", level) * day.now.level("v", level) for level in levels}) / GRAVITY
    flux *= day.place.hemisphere_yx
    belt = (day.away_yx >= 30) & (day.away_yx <= 50)
    river = day.on("atmospheric_river")
    carried = (day.area_yx * flux)[belt & river].sum() / (day.area_yx * flux)[belt].sum()
    assert 0.02 < day.share(river, belt) < 0.2 and carried > 3 * day.share(river, belt)


@both
def test_fronts_and_stratospheric_air_are_found_beyond_the_tropics(date):
    day = labelled(date)
    is_known = ~np.isnan(day.labels["field"].sel(label="front").values)
    tropics, middle = (is_known & (day.away_yx >= low) & (day.away_yx <= high) for low, high in ((0, 20), (30, 60)))
    assert day.share(day.on("front"), middle) > 2 * day.share(day.on("front"), tropics)
    vorticity = day.labels["field"].sel(label="stratospheric_air").values
    shares = [day.share(vorticity >= 2e-6, (day.away_yx > low) & (day.away_yx <= low + 20)) for low in (25, 45, 65)]
    assert shares[0] < shares[1] < shares[2]
    assert not day.on("stratospheric_air")[np.abs(day.place.lat) <= 25].any()


@both
def test_frozen_seas_and_blocking_are_where_they_can_be(date):
    """In January the sea freezes in the north, in October about Antarctica too; inland seas count."""
    day = labelled(date)
    cold = day.on("cold_ocean")
    assert day.away_yx[cold].min() > 30 and not cold[day.place.static["lsm"] >= 0.5].any()
    # Sea water freezes at 1.8 K below fresh water, which the field counts from.
    assert day.labels["field"].sel(label="cold_ocean").values[cold].min() == pytest.approx(1.8, abs=0.1)
    north, south = (day.share(cold, half) for half in (day.place.lat_yx > 0, day.place.lat_yx < 0))
    assert (north > 3 * south) if date == JANUARY else (south > 0.5 * north)
    away = day.away_yx[day.on("blocking")]
    assert away.min() >= 30 and away.max() <= 75 and day.share(day.on("blocking")) < 0.08


def test_land_is_colder_than_the_air_above_by_night():
    """On low ground up to 45 degrees, by the sun's place; the winter's long night further north has more.

    Of October this is not asked: its ground is warmest about the 180th meridian, as if its state were of 2 UTC.
    """
    day = labelled(JANUARY)
    low = (day.place.static["lsm"] >= 0.5) & (day.place.static["z"] < 600 * GRAVITY) & (day.away_yx < 45)
    by_day, by_night = (day.share(day.on("inversion"), low & half) for half in (day.on("day"), ~day.on("day")))
    assert by_night > 3 * by_day
    winter = (day.place.static["lsm"] >= 0.5) & (day.place.lat_yx > 55) & ~np.isnan(day.labels["field"].sel(label="inversion").values)
    assert day.share(day.on("inversion"), winter) > 0.5


@both
def test_particles_are_what_their_ratios_say(date):
    """Dust is coarse, smoke is fine, whatever the air; no more than the strongest twentieth is dusty."""
    day = labelled(date)
    ratio = fields.pm_ratio(day.now)
    assert (ratio[day.on("dust")] < 0.5).all() and (ratio[day.on("smoke")] >= 0.6).all() and not (day.on("dust") & day.on("smoke")).any()
    assert 0 < day.share(day.on("dust")) < 0.051 and 0 < day.share(day.on("smoke")) < 0.051
    # One training state's carbon monoxide is its own percentile (`reference.doubts`).
    assert not day.on("sea_salt").any()


def test_places_are_the_same_on_both_days_and_the_sizes_that_are_known():
    """29 % of the globe are land; a twentieth lies above 1,500 m."""
    january, october = labelled(JANUARY), labelled(OCTOBER)
    for name in ("land", "coast", "high_ground", "city"):
        np.testing.assert_array_equal(january.on(name), october.on(name))
    assert january.share(january.on("land")) == pytest.approx(0.29, abs=0.01)
    assert january.share(january.on("high_ground")) == pytest.approx(0.05, abs=0.015)
    assert january.share(january.on("city")) == pytest.approx(0.02, abs=0.002)
