"""Labels of wind, pressure, moisture and temperature: each in a state whose answer is known in closed form."""

import dataclasses

import numpy as np
import pytest
from aurorascope.cams.grid import regular_grid
from aurorascope.config.thresholds import YEAR
from aurorascope.labels import fields
from aurorascope.labels.objects import is_closed
from aurorascope.labels.state import GRAVITY
from aurorascope.sphere import RADIUS_M, connected, disk, great_circle_km
from hypothesis import given as drawn
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.labels.made import HEIGHT, LAT, LON, found, label_state_of

PHI, LAMDA = np.deg2rad(LAT)[:, None], np.deg2rad(LON)[None, :]
PLANE = np.zeros((len(LAT), len(LON)))
KM = RADIUS_M / 1000


def bump(lat, lon, km, size):
    """A Gaussian hill of a size about a point."""
    return size * np.exp(-((great_circle_km(lat, lon, LAT[:, None], LON[None, :]) / km) ** 2) / 2)


def test_jet_is_the_mean_wind_by_trapezoids():
    """Speeds of 20, 40 and 20 m/s have the mean 30 over 200 to 300 hPa, of which 29.9 falls short."""
    west = np.where(LON[None, :] < 180, 40.0, 39.7) + PLANE
    mask, field = found("jet", label_state_of({"u": {200: 20.0}, "v": {300: -20.0, 250: west}}))
    np.testing.assert_allclose(field, (20 + 2 * west + 20) / 4, rtol=1e-6)
    np.testing.assert_array_equal(mask, np.broadcast_to(LON < 180, mask.shape))


def test_jet_core_is_within_250_km_of_the_ridge():
    ridge = 60 * np.exp(-(((LAT[:, None] - 40) / 8) ** 2)) + PLANE
    weak = 45 * np.exp(-(((LAT[:, None] + 40) / 8) ** 2)) + PLANE
    mask, _ = found("jet_core", label_state_of({"u": {level: ridge + weak for level in fields.JET_LEVELS}}))
    rows = np.abs(LAT - 40) * np.pi / 180 * KM <= YEAR.line_km
    np.testing.assert_array_equal(mask, np.broadcast_to(rows[:, None], mask.shape))


def test_jet_core_of_a_wind_along_a_meridian():
    # The first meridian is in the middle, so that the ridge lies on the seam.
    ridge = 60 * np.exp(-((((LON + 180) % 360 - 180)[None, :] / 8) ** 2)) + PLANE
    mask, _ = found("jet_core", label_state_of({"v": {level: ridge for level in fields.JET_LEVELS}}))
    row = np.abs(LAT).argmin()
    np.testing.assert_array_equal(mask[row], great_circle_km(0, 0, 0, LON) <= YEAR.line_km)


@pytest.mark.parametrize("lon", [0.0, 120.0])
def test_low_is_a_disk_about_a_closed_contour(lon):
    """Deep enough and round it is a low; shallow, or open to one side, it is none."""
    middle = (50.0, lon)
    deep = -bump(*middle, 300, 2000)
    shallow = -bump(-50, lon, 300, 190)
    mask, field = found("low", label_state_of({"msl": 101000 + deep + shallow}))
    np.testing.assert_array_equal(mask, disk(LAT, LON, middle, YEAR.low_disk_km))
    depth = deep.mean(axis=1, keepdims=True) - deep + shallow.mean(axis=1, keepdims=True) - shallow
    np.testing.assert_allclose(field, depth, atol=0.02)


def test_a_trough_open_to_the_pole_and_a_wide_low_are_no_lows():
    """Pressure that falls on along a meridian is open; a low that rises by 200 Pa only beyond 5.5 degrees is too wide."""
    trough = -2000 * np.exp(-((((LON + 180) % 360 - 180)[None, :] / 6) ** 2)) * np.exp(-((LAT[:, None] / 80) ** 2)) - bump(20, 0, 300, 10)
    assert not found("low", label_state_of({"msl": 101000 + trough}))[0].any()
    assert not found("low", label_state_of({"msl": 101000 - bump(20, 90, 1500, 2000)}))[0].any()
    assert found("low", label_state_of({"msl": 101000 - bump(20, 90, 600, 2000)}))[0].any()


def test_low_at_the_pole():
    mask, _ = found("low", label_state_of({"msl": 101000 - bump(90, 0, 300, 2000)}))
    np.testing.assert_array_equal(mask, disk(LAT, LON, (90, 0), YEAR.low_disk_km))


@drawn(arrays(np.int8, (13, 24), elements=st.integers(0, 4)), st.integers(0, 12), st.integers(0, 23), st.floats(1, 170), st.integers(1, 4))
def test_a_contour_is_closed_where_a_walk_below_it_stays_in_the_disk(field, row, column, degrees, rise):
    """Brute force: walk from cell to cell, round the circle, as long as the field is less than `rise` above the middle."""
    lat, lon = regular_grid(13, 24)
    place = dataclasses.replace(label_state_of().place, lat=lat, lon=lon)
    left = {(int(y), int(x)) for y, x in np.argwhere(field < field[row, column] + rise)}
    walk = [(row, column)]
    for y, x in walk:
        near = {(y + dy, (x + dx) % 24) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
        left -= near
        walk += near
    furthest = max(great_circle_km(lat[row], lon[column], lat[y], lon[x]) for y, x in walk)
    assert is_closed(field.astype(float), place, (row, column), rise, degrees) == (furthest <= degrees * np.pi / 180 * KM)


def thick(lat, lon, km, size):
    return {"z": {300: HEIGHT[300] * GRAVITY + bump(lat, lon, km, size)}}


@pytest.mark.parametrize(
    ("low", "core", "is_one"),
    [
        ((16, 60), (16, 60, 300, 500), True),
        ((16, 60), (16, 60, 300, 50), False),
        ((16, 60), (16, 68, 300, 500), False),
        ((50, 60), (50, 60, 300, 500), False),
        ((-40, 0), (-40, 0, 300, 500), True),
        ((16, 60), (16, 60, 600, 122), True),
        ((16, 60), (16, 60, 600, 100), False),
    ],
    # The last two fall by 58.8 m2 s-2 at 6.2 and 7.1 degrees.
    ids=["warm core", "too weak", "too far away", "too far from the equator", "southern, on the seam", "wide", "too wide"],
)
def test_tropical_cyclone_needs_a_warm_core_above(low, core, is_one):
    given = label_state_of({"msl": 101000 - bump(*low, 250, 2000), **thick(*core)})
    mask, field = found("tropical_cyclone", given)
    assert found("low", given)[0].any()
    np.testing.assert_array_equal(mask, disk(LAT, LON, low, YEAR.low_disk_km) & is_one)
    within = np.abs(LAT) <= YEAR.cyclone_lat
    expected = (HEIGHT[300] - HEIGHT[500]) * GRAVITY + bump(*core)
    np.testing.assert_allclose(field[within], expected[within], rtol=1e-5)
    assert np.isnan(field[~within]).all()


def test_cyclonic_core_turns_with_the_hemisphere():
    """A solid body of 3e-5 1/s has 6e-5 sin(lat), cyclonic in both hemispheres: on beyond asin(5/6)."""
    rate = 3e-5
    given = label_state_of({"u": {850: rate * RADIUS_M * np.cos(PHI) + PLANE}})
    mask, field = found("cyclonic_core", given)
    np.testing.assert_allclose(field, 2 * rate * np.abs(np.sin(PHI)) + PLANE, atol=1.3e-7)
    beyond = np.abs(LAT) > np.rad2deg(np.arcsin(YEAR.vorticity / (2 * rate)))
    np.testing.assert_array_equal(mask, np.broadcast_to(beyond[:, None], mask.shape))


def test_below_ground_nothing_is_defined():
    given = label_state_of(static={"z": 2000 * GRAVITY})
    for name in ("cyclonic_core", "front", "inversion", "transport_edge"):
        field = fields.FIELDS[name].compute(given.now)
        assert np.isnan(field).all(), name


def test_moisture_transport_of_constant_air():
    """IVT = q |v| dp / g; over ground above 925 hPa the lowest layers are missing."""
    given = label_state_of({"q": 0.004, "u": 6.0, "v": 8.0})
    np.testing.assert_allclose(fields.moisture_transport(given.now), 0.004 * 10 * 70000 / GRAVITY, rtol=1e-6)
    given = label_state_of({"q": 0.004, "u": 6.0, "v": 8.0}, static={"z": 1000 * GRAVITY})
    np.testing.assert_allclose(fields.moisture_transport(given.now), 0.004 * 10 * 55000 / GRAVITY, rtol=1e-6)


@pytest.mark.parametrize(
    ("rows", "columns", "is_one"),
    [((45, 53), (20, 80), True), ((45, 53), (330, 30), True), ((45, 53), (20, 40), False), ((33, 63), (20, 80), False),
     ((9, 17), (20, 80), False)],
    ids=["long and narrow", "across the seam", "too short", "too wide", "too near the equator"],
)
def test_atmospheric_rivers_are_long_and_narrow(rows, columns, is_one):
    first, last = columns
    inside = ((LAT[:, None] > rows[0]) & (LAT[:, None] < rows[1])) & (((LON[None, :] - first) % 360) < (last - first) % 360)
    # 0.004 kg/kg at 10 m/s over 700 hPa is 286 kg/m/s.
    mask, field = found("atmospheric_river", label_state_of({"q": np.where(inside, 0.004, 1e-4), "u": 10.0}))
    np.testing.assert_array_equal(mask, inside & is_one)
    assert np.isnan(field[np.abs(LAT) < YEAR.river_lat]).all()
    assert np.nanmax(field) == pytest.approx(7 if rows[0] == 9 else 0.004 * 10 * 70000 / GRAVITY, abs=30)


def test_blocking_is_a_reversed_slope_with_westerlies_beyond():
    """Height that rises to 60 degrees and falls by 20 m per degree beyond: blocked at 60 degrees in both hemispheres."""
    away = np.abs(LAT)
    height = np.where(away <= 60, 5000 + 5 * away, 5300 - 20 * (away - 60))[:, None] + PLANE
    # The eastern half has no reversal.
    height[:, 90:] = (5600 - 20 * away)[:, None]
    mask, field = found("blocking", label_state_of({"z": {500: height * GRAVITY}}))
    row = int(np.flatnonzero(LAT == 60)[0])
    assert field[row, 0] == pytest.approx(5, abs=1e-3) and field[row, 100] == pytest.approx(-20, abs=1e-3)
    assert mask[row, :90].all() and mask[len(LAT) - 1 - row, :90].all() and not mask[:, 90:].any()
    # At 50 degrees the 15 degrees beyond fall by (5 x 20 - 10 x 5) / 15 m per degree, which is not enough.
    assert not mask[LAT == 50].any() and not mask[away > YEAR.blocking_highest_lat].any()
    assert np.isnan(field[(away < YEAR.blocking_lowest_lat) | (away > YEAR.blocking_highest_lat)]).all()


def test_equivalent_potential_temperature():
    """Nearly dry air has its potential temperature; Bolton's own example of moist air."""
    dry = label_state_of({"q": 1e-9, "t": 280.0}).now
    np.testing.assert_allclose(dry.theta_e(850), 280 * (1000 / 850) ** 0.2854, rtol=1e-5)
    # At 850 hPa, 20 degrees Celsius and a dew point of 18, Bolton's formula 39 gives 353.94 K (MetPy's example); 43 is within 0.3 K.
    e = 6.112 * np.exp(17.67 * 18 / (18 + 243.5))
    moist = label_state_of({"q": 0.622 * e / (850 - 0.378 * e), "t": 293.15}).now
    np.testing.assert_allclose(moist.theta_e(850), 353.94, atol=0.3)


def test_front_is_a_long_strong_gradient_of_theta_e():
    """theta_e that changes by 30 K over 4 degrees about 45 north: 30 K / 445 km in the middle."""
    t = 270 + 15 * np.tanh((LAT[:, None] - 45) / 2) + PLANE
    mask, field = found("front", label_state_of({"t": {850: t}, "q": 1e-9}))
    theta_e = t * (1000 / 850) ** 0.2854
    expected = np.abs(np.gradient(theta_e[:, 0], np.deg2rad(LAT) * RADIUS_M))
    np.testing.assert_allclose(field[:, 0], expected, atol=2e-8)
    strong = LAT[expected >= YEAR.front_gradient]
    near = np.abs(LAT[:, None] - strong[None, :]).min(axis=1) * np.pi / 180 * KM <= YEAR.line_km
    np.testing.assert_array_equal(mask, np.broadcast_to(near[:, None], mask.shape))
    spot = label_state_of({"t": {850: 270 + bump(45, 90, 120, 20)}, "q": 1e-9})
    strong_yx = found("front", spot)[1] >= YEAR.front_gradient
    assert strong_yx.any() and np.ptp(LAT[strong_yx.any(axis=1)]) * np.pi / 180 * KM < YEAR.front_length_km
    assert not found("front", spot)[0].any()


def stratospheric(**changed):
    """Potential temperature that grows by 60 K from 500 to 300 hPa over air at rest: PV = g f 60 / 20000."""
    theta = {300: 340.0, 400: 310.0, 500: 280.0, 250: 355.0, 600: 250.0}
    t = {level: value / (1000 / level) ** 0.2857 for level, value in theta.items()}
    given = {"t": t, "go3": 2e-7, "q": 1e-8} | changed
    return label_state_of(given)


def test_stratospheric_air_has_pv_ozone_and_no_moisture():
    mask, field = found("stratospheric_air", stratospheric())
    f = 2 * 7.2921e-5 * np.abs(np.sin(PHI)) + PLANE
    # At 500 hPa, between 400 and 600, and at 400 the same 60 K in 200 hPa; at 300 45 K in 150.
    expected = GRAVITY * f * 60 / 20000
    beyond = np.abs(LAT) > YEAR.stratospheric_lat
    np.testing.assert_allclose(field[beyond], expected[beyond], rtol=1e-4)
    assert np.isnan(field[~beyond]).all()
    # 2e-7 x 28.97 / 48 is 121 ppb.
    np.testing.assert_array_equal(mask, (expected >= YEAR.stratospheric_vorticity) & beyond[:, None])
    assert mask.any()
    assert not found("stratospheric_air", stratospheric(go3=1.6e-7))[0].any()
    assert not found("stratospheric_air", stratospheric(q=2e-3))[0].any()


def test_inversion():
    warm = np.where(LON[None, :] < 180, 290.5, 289.5) + PLANE
    mask, field = found("inversion", label_state_of({"t": {925: warm}}))
    np.testing.assert_allclose(field, warm - 290, atol=1e-4)
    np.testing.assert_array_equal(mask, warm > 290)


def test_cold_ocean():
    lsm = (LON[None, :] >= 180) * 1.0 + PLANE
    t2m = np.where(LAT[:, None] > 0, 271.3, 271.4) + PLANE
    mask, field = found("cold_ocean", label_state_of({"t2m": t2m}, static={"lsm": lsm}))
    np.testing.assert_array_equal(mask, (lsm == 0) & (t2m < 271.35))
    np.testing.assert_allclose(field[lsm == 0], (273.15 - t2m)[lsm == 0], atol=1e-4)
    assert np.isnan(field[lsm == 1]).all()


def test_relative_humidity_at_saturation():
    """Bolton's saturation pressure at 0 degrees Celsius is 6.112 hPa."""
    q = 0.622 * 6.112 / (500 - 0.378 * 6.112)
    now = label_state_of({"t": 273.15, "q": q}).now
    np.testing.assert_allclose(now.relative_humidity(500), 1, rtol=1e-5)


def test_objects_of_events_are_connected_cells():
    mask, _ = found("jet", label_state_of({"u": {level: np.where(np.abs(LAT[:, None]) > 40, 40.0, 0) + PLANE for level in (200, 250, 300)}}))
    assert connected(mask).max() == 2
