"""Labels of composition, places, controls and changes: each in a state whose answer is known in closed form."""

import dataclasses
import datetime

import numpy as np
import pytest
from aurorascope.config.thresholds import UNCHECKED, YEAR, Thresholds
from aurorascope.labels.all import CHANGE, LABELS, available, describe, label_state
from aurorascope.labels.controls import red_noise
from aurorascope.labels.reference import Reference
from aurorascope.labels.state import GRAVITY, LabelState
from aurorascope.sphere import RADIUS_M

from tests.labels.made import LAT, LON, TIME, found, label_state_of, state

PLANE = np.zeros((len(LAT), len(LON)))
# 1 to 180 along each row: the highest 5 % of area are 9 columns.
RAMP = np.arange(1, len(LON) + 1)[None, :] + PLANE


def by_itself(given: LabelState, thresholds: Thresholds = YEAR) -> Reference:
    return Reference.of([given], thresholds)


def columns(first: int) -> np.ndarray:
    """From the ramp's value `first` on."""
    return first <= RAMP


def test_dust_is_coarse_and_strong():
    """p95 of a ramp of 180 columns is column 171: at least 95 % of area lies up to it."""
    ratio = np.where(LAT[:, None] > 0, 0.49, 0.51) + PLANE
    given = label_state_of({"pm10": 1e-8 * RAMP, "pm2p5": 1e-8 * RAMP * ratio})
    mask, field = found("dust", given, by_itself(given))
    np.testing.assert_array_equal(mask, columns(171) & (LAT > 0)[:, None])
    np.testing.assert_allclose(field, 1e-8 * RAMP, rtol=1e-6)


def test_dust_less_salt():
    """Over sea at 10 m/s, 1e-8 a squared m/s takes 1e-6 off; over land nothing."""
    limits = dataclasses.replace(YEAR, dust_salt=1e-8)
    lsm = (LAT[:, None] > 0) * 1.0 + PLANE
    given = label_state_of({"pm10": 1e-7 * RAMP, "pm2p5": 1e-9, "u10": 6.0, "v10": 8.0}, static={"lsm": lsm})
    mask, _ = found("dust", given, by_itself(given, limits), limits)
    np.testing.assert_array_equal(mask, np.where(lsm == 1, columns(171), columns(181)))


def test_coarse_particles():
    given = label_state_of({"pm10": 3e-8 * RAMP, "pm2p5": 2e-8 * RAMP})
    mask, field = found("coarse_pm", given, by_itself(given))
    np.testing.assert_allclose(field, 1e-8 * RAMP, rtol=1e-6)
    np.testing.assert_array_equal(mask, columns(171))


def test_smoke_needs_all_its_signs():
    """PM2.5 from p99 of land, fine, away from emissions, and carbon monoxide from p95 of each place over the states."""
    rows = np.arange(len(LAT))[:, None] + PLANE
    static = {"lsm": (LON[None, :] < 180) * 1.0 + PLANE, "static_nox": np.where(LAT[:, None] > 50, 1e-9, 1e-12) + PLANE}
    pm2p5 = 1e-9 * RAMP
    states = [
        label_state_of(
            {"tcco": 1e-3 * (1 + i), "pm2p5": pm2p5, "pm10": pm2p5 / np.where(rows % 2 == 0, 0.61, 0.59)}, static=static,
            time=TIME + np.timedelta64(i, "D"),
        )
        for i in range(20)
    ]
    reference = Reference.of(states, YEAR)
    # p95 of 20 values is the 19th, whichever place; p99 over the western 90 columns of the ramp is the 90th.
    assert reference.tcco["smoke"] == pytest.approx(19e-3)
    expected = columns(90) & (rows % 2 == 0) & (static["static_nox"] == 1e-12)
    for i, given in enumerate(states):
        mask, field = found("smoke", given, reference)
        np.testing.assert_array_equal(mask, expected & (i >= 18))
    np.testing.assert_allclose(field, pm2p5, rtol=1e-6)


def test_smoke_of_fires_has_little_sulphur_where_that_is_asked():
    limits = dataclasses.replace(YEAR, smoke_co_so2=100.0)
    so2 = np.where(LAT[:, None] > 0, 0.9e-9, 1.1e-9) + PLANE
    nox = np.where(LAT[:, None] > 50, 1e-9, 1e-12) + PLANE
    fields = {"pm2p5": 1e-9 * RAMP, "pm10": 1e-9 * RAMP, "co": 1e-7, "so2": so2}
    given = label_state_of(fields, static={"static_nox": nox, "lsm": (LAT[:, None] > -89) * 1.0 + PLANE})
    expected = columns(179) & (nox < 1e-10)
    np.testing.assert_array_equal(found("smoke", given, by_itself(given, limits), limits)[0], expected & (LAT > 0)[:, None])
    np.testing.assert_array_equal(found("smoke", given, by_itself(given))[0], expected)


def test_sea_salt_is_blown_off_the_sea():
    lsm = (LAT[:, None] > 60) * 1.0 + PLANE
    wind = np.where(LAT[:, None] > 0, 10.1, 9.9) + PLANE
    ratio = np.where(np.arange(len(LAT))[:, None] % 2 == 0, 0.6, 0.75)
    fields = {"pm10": 1e-8 * RAMP, "pm2p5": 1e-8 * RAMP * ratio, "u10": wind}
    states = [
        label_state_of({**fields, "tcco": tcco}, static={"lsm": lsm}, time=TIME + np.timedelta64(i, "D"))
        for i, tcco in enumerate((1e-3, 2e-3))
    ]
    reference = Reference.of(states, YEAR)
    expected = columns(135) & (lsm == 0) & (wind > 10) & (ratio == 0.6)
    np.testing.assert_array_equal(found("sea_salt", states[0], reference)[0], expected)
    assert not found("sea_salt", states[1], reference)[0].any()
    field = found("sea_salt", states[0], reference)[1]
    assert (np.isnan(field) == (lsm == 1)).all()


def test_urban_air_and_cities():
    """NOx emissions grow along the ramp; nitrogen dioxide is highest where they are low, but for the last two columns."""
    no2 = np.where(RAMP > 178, 1.0, np.where(RAMP < 9, 2.0, 0.1)) * 1e-5
    given = label_state_of({"tcno2": no2}, static={"static_nox": 1e-10 * RAMP})
    reference = by_itself(given)
    np.testing.assert_array_equal(found("urban_no2", given, reference)[0], columns(179))
    # p98 of 180 columns is the 177th.
    np.testing.assert_array_equal(found("city", given, reference)[0], columns(177))


def test_volcanic_sulphur_is_aloft():
    """One column has the most sulphur dioxide: at 300 hPa in the north, at 700 in the south; the eastern half emits."""
    column = np.where((RAMP == 30) | (RAMP == 150), 1e-2, 1e-5)
    north = (LAT[:, None] > 0) + PLANE > 0
    given = label_state_of(
        {"tcso2": column, "so2": {300: np.where(north, 1e-6, 0), 400: 1e-7, 700: 5e-7}}, static={"static_so2": np.where(RAMP > 90, 1e-9, 1e-12)}
    )
    limits = dataclasses.replace(YEAR, so2_percentile=99.0)
    mask, _ = found("volcanic_so2", given, by_itself(given, limits), limits)
    np.testing.assert_array_equal(mask, (RAMP == 30) & north)
    # What is below ground is not looked at: above it, the most is at 400 hPa in the south.
    given.place.static["z"][:] = 3100 * GRAVITY
    np.testing.assert_array_equal(found("volcanic_so2", given, by_itself(given, limits), limits)[0], RAMP == 30)


def test_transport_edges_are_where_the_wind_meets_a_gradient():
    """PM2.5 that grows as exp(k sin lon) in an eastward wind: -u k cos(lon) / (a cos phi)."""
    k, u = 3.0, 10.0
    phi, lamda = np.deg2rad(LAT)[:, None], np.deg2rad(LON)[None, :]
    given = label_state_of({"pm2p5": 1e-8 * np.exp(k * np.sin(lamda)) + PLANE, "u": {925: u}})
    mask, field = found("transport_edge", given, by_itself(given))
    expected = -u * k * np.cos(lamda) / (RADIUS_M * np.cos(phi))
    np.testing.assert_allclose(field[1:-1], expected[1:-1], rtol=1e-3, atol=1e-9)
    share = (mask * given.place.area_yx).sum() / given.place.area_yx.sum()
    assert share == pytest.approx(2 * YEAR.edge_percentile / 100, abs=0.01)
    assert (mask[LAT == 60] == (np.abs(field[LAT == 60]) >= np.abs(field[mask]).min())).all()
    assert set(np.sign(field[mask])) == {-1, 1}


def test_day_at_an_equinox_and_a_solstice():
    """At noon UTC of 22 March the sun stands near the equator above Greenwich; in June it never sets in the north."""
    mask, cosine = found("day", label_state_of(time=np.datetime64("2022-03-22T12", "ns")))
    lamda, phi = np.deg2rad(LON)[None, :], np.deg2rad(LAT)[:, None]
    np.testing.assert_allclose(cosine, np.cos(phi) * np.cos(lamda), atol=0.01)
    equator = np.abs(LAT).argmin()
    np.testing.assert_array_equal(mask[equator, np.abs(np.cos(lamda[0])) > 0.01], (np.cos(lamda[0]) > 0)[np.abs(np.cos(lamda[0])) > 0.01])
    mask, cosine = found("day", label_state_of(time=np.datetime64("2022-06-21T00", "ns")))
    assert mask[LAT > 67].all() and not mask[LAT < -67].any()
    assert cosine[LAT == 24, np.flatnonzero(LON == 180)] == pytest.approx(1, abs=1e-3)
    # At 6 UTC the sun stands in the east.
    _, cosine = found("day", label_state_of(time=np.datetime64("2022-03-22T06", "ns")))
    assert LON[cosine[equator].argmax()] == 90


def test_land_coast_and_high_ground():
    lsm = ((LON < 10) | (LON >= 350))[None, :] * 0.5 + PLANE
    height = np.where(LAT[:, None] > 0, 1501.0, 1499.0) + PLANE
    given = label_state_of(static={"lsm": lsm, "z": height * GRAVITY})
    land = lsm == 0.5
    np.testing.assert_array_equal(found("land", given)[0], land)
    mask, share = found("coast", given)
    beside = np.stack([np.roll(land, shift, 1) for shift in (-1, 0, 1)])
    np.testing.assert_array_equal(mask, beside.any(axis=0) & ~beside.all(axis=0))
    np.testing.assert_allclose(share, beside.mean(axis=0), atol=1e-7)
    np.testing.assert_array_equal(found("high_ground", given)[0], height > 1500)


def test_controls_know_the_place_and_the_calendar_alone():
    saturday = label_state_of(time=np.datetime64("2022-06-18T12", "ns"))
    friday = label_state_of(time=np.datetime64("2022-07-01T00", "ns"))
    assert found("control_weekday", saturday)[0].all() and (found("control_weekday", saturday)[1] == 5).all()
    assert not found("control_weekday", friday)[0].any() and (found("control_weekday", friday)[1] == 4).all()
    assert found("control_day_of_month", saturday)[0].all() and (found("control_day_of_month", saturday)[1] == 18).all()
    assert not found("control_day_of_month", friday)[0].any()
    for name, expected in {
        "control_sin_lon": np.sin(np.deg2rad(LON))[None, :], "control_cos_lon": np.cos(np.deg2rad(LON))[None, :],
        "control_lat": LAT[:, None],
    }.items():
        mask, field = found(name, saturday)
        np.testing.assert_allclose(field, expected + PLANE, rtol=1e-6)
        np.testing.assert_array_equal(mask, field > 0)
    mask, field = found("control_cell_area", saturday)
    assert field.sum(dtype=np.float64) == pytest.approx(1, abs=1e-5)
    assert mask[np.abs(LAT) < 45].all() and not mask[np.abs(LAT) > 55].any()


def test_weekdays_are_the_calendars():
    for day in range(14):
        date = datetime.date(2022, 2, 22) + datetime.timedelta(days=day)
        _, field = found("control_weekday", label_state_of(time=np.datetime64(date, "ns")))
        assert field[0, 0] == date.weekday()


def test_red_noise_is_red_isotropic_and_of_its_time_alone():
    times = [np.datetime64("2022-01-01T00") + np.timedelta64(12 * i, "h") for i in range(60)]
    lat, lon = LAT[::5], LON[::5]
    drawn = np.stack([red_noise(time, lat, lon) for time in times])
    np.testing.assert_array_equal(drawn[7], red_noise(times[7].astype("datetime64[ns]"), lat, lon))
    assert abs(drawn.mean()) < 0.1 and drawn.var() == pytest.approx(1, abs=0.15)
    # The same spread at poles and equator, and neighbours more alike than those far away.
    spread = drawn.var(axis=(0, 2))
    assert spread[9] == pytest.approx(1, abs=0.25) and spread[0] == pytest.approx(1, abs=0.6)
    alike = [np.corrcoef(drawn[:, 9, 0], drawn[:, 9, step])[0, 1] for step in (0, 18)]
    assert abs(alike[1]) < 0.4 and np.corrcoef(red_noise(times[0], LAT, LON)[45, :-1], red_noise(times[0], LAT, LON)[45, 1:])[0, 1] > 0.8
    wave = np.abs(np.fft.rfft(np.stack([red_noise(time, LAT[44:47], LON)[1] for time in times[:20]]), axis=1)) ** 2
    power = wave.mean(axis=0)
    assert power[1:9].sum() > 2 * power[9:25].sum() and power[30:].sum() < 1e-3 * power.sum()


@pytest.mark.parametrize("name", [name for name in LABELS if name.endswith(CHANGE)])
def test_changes_are_differences_of_the_fields(name):
    """On the demo's ups and downs, where everything moves: field now less field then, from the reference's threshold on."""
    random = np.random.default_rng(5)
    wild = {
        "u": random.normal(0, 20, (13, *PLANE.shape)), "v": random.normal(0, 20, (13, *PLANE.shape)), "q": 0.01 * random.random(PLANE.shape),
        "z": state()["z"].values + random.normal(0, 50, (13, *PLANE.shape)), "t": 260 + random.normal(0, 5, (13, *PLANE.shape)),
        "t2m": 280 + random.normal(0, 5, PLANE.shape), "msl": 101000 + random.normal(0, 500, PLANE.shape),
        **{name: 1e-5 * random.random(PLANE.shape) for name in ("pm2p5", "pm10", "tcno2", "tcso2")},
    }
    static = {"lsm": (LON[None, :] < 180) * 1.0 + PLANE}
    given = label_state_of(wild, {}, static)
    back = LabelState(dataclasses.replace(given.before, memory={}), dataclasses.replace(given.now, memory={}))
    reference, base = by_itself(given), name.removesuffix(CHANGE)
    mask, grown = found(name, given, reference)
    np.testing.assert_array_equal(grown, found(base, given, reference)[1] - found(base, back, reference)[1])
    there = ~np.isnan(grown)
    assert mask.any() and (grown[mask] > 0).all() and not mask[~there].any()
    area = given.place.area_yx
    assert (area * mask).sum() / (area * there).sum() == pytest.approx(1 - YEAR.change_percentile / 100, abs=0.01)
    np.testing.assert_array_equal(found(name, back, reference)[1], -grown)


def test_what_only_shrinks_has_no_change():
    """Even where a percentile of changes lies below zero."""
    given = label_state_of({"tcno2": 1e-6 * RAMP}, {"tcno2": 1e-3})
    reference = by_itself(given)
    assert reference.changes["urban_no2"] < 0 and not found("urban_no2_change", given, reference)[0].any()


def test_labels_without_their_levels_are_left_out():
    assert available((50, 100)) == [name for name, each in LABELS.items() if not each.needs]
    assert "jet" in available((250,)) and "stratospheric_air" not in available((250, 300, 400, 500))
    data = label_state_of()
    few = (250, 500, 850)
    moments = [
        dataclasses.replace(
            each, memory={}, place=dataclasses.replace(data.place, levels=few),
            values={name: value[[4, 7, 10]] if value.ndim == 3 else value for name, value in each.values.items()},
        )
        for each in (data.now, data.before)
    ]
    given = LabelState(*moments)
    labelled = label_state(given, by_itself(given), YEAR)
    assert labelled["label"].values.tolist() == available(few)
    assert {"jet", "blocking", "front", "cyclonic_core"} <= set(available(few)) and "inversion" not in available(few)


def test_every_definition_says_what_it_is():
    for name, words in describe((50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000), YEAR).items():
        assert "{" not in words["formula"] and words["source"] and words["units"], name
    assert {field.name for field in dataclasses.fields(YEAR)} >= UNCHECKED
    named = {threshold for each in LABELS.values() for threshold in each.thresholds}
    assert named == {field.name for field in dataclasses.fields(YEAR)}


def test_percentiles_out_of_range_are_refused():
    with pytest.raises(ValueError, match="dust_percentile is 100"):
        dataclasses.replace(YEAR, dust_percentile=100)


def test_states_that_do_not_belong_together_are_refused():
    now, static = state(), label_state_of().place.static
    with pytest.raises(ValueError, match="not 12 hours apart"):
        LabelState.of(now, state(time=TIME - np.timedelta64(24, "h")), static)
    with pytest.raises(ValueError, match="differ in latitude"):
        LabelState.of(now, state(time=TIME - np.timedelta64(12, "h"), lat=LAT[:-1]), static)
    with pytest.raises(ValueError, match="static fields that are not 90 x 180"):
        LabelState.of(state(lat=LAT[:-1]), state(time=TIME - np.timedelta64(12, "h"), lat=LAT[:-1]), static)


def test_objects_of_events_and_places():
    speed = np.where(np.abs(LAT[:, None]) > 40, 40.0, 0) + PLANE
    given = label_state_of({"u": {level: speed for level in (200, 250, 300)}}, static={"lsm": (np.abs(LAT[:, None]) > 40) * 1.0 + PLANE})
    labelled = label_state(given, by_itself(given), YEAR).set_index(label="label")
    assert labelled["object"].sel(label="jet").max() == 2 and labelled["object"].sel(label="land").max() == 1
    assert [labelled[name].dtype for name in ("mask", "object", "field")] == [np.uint8, np.uint16, np.float32]
    assert ((labelled["object"] > 0) == (labelled["mask"] == 1)).all()
