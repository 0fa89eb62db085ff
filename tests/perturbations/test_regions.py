"""Regions on the sphere: closed forms of the taper, and distances against all points of the region."""

import numpy as np
import pytest
from aurorascope.cams.grid import regular_grid
from aurorascope.errors import UserError
from aurorascope.perturbations.regions import Band, Box, Disk, Everywhere, taper
from aurorascope.sphere import RADIUS_M, disk, great_circle_km

KM_OF_DEGREE = np.deg2rad(1) * RADIUS_M / 1000
LAT, LON = regular_grid(37, 72)


def test_the_taper_is_a_cosine():
    found = taper(np.array([-1.0, 0.0, 25.0, 50.0, 100.0, 400.0]), 100.0)
    np.testing.assert_allclose(found, [0, 0, (1 - np.cos(np.pi / 4)) / 2, 0.5, 1, 1], atol=1e-15)


def test_a_disk_without_taper_is_the_sphere_s_disk():
    region = Disk(52, -78, km=1500)
    np.testing.assert_array_equal(region.weight(LAT, LON), disk(LAT, LON, (52, -78), 1500).astype(float))


def test_a_disk_on_the_equator_tapers_along_it_and_ends_at_its_radius():
    region = Disk(0, 180, km=20 * KM_OF_DEGREE, taper_km=10 * KM_OF_DEGREE)
    weights = region.weight(np.array([0.0]), np.array([180.0, 190.0, 195.0, 197.5, 201.0]))[0]
    np.testing.assert_allclose(weights, [1, 1, 0.5, (1 - np.cos(np.pi / 4)) / 2, 0], atol=1e-9)
    np.testing.assert_allclose(region.distance_km([0.0], [190.0, 205.0])[0], [0, 5 * KM_OF_DEGREE], atol=1e-6)


def test_a_box_across_greenwich_is_what_lies_between():
    region = Box(south=-30, north=30, west=-20, east=20)
    weights = region.weight(LAT, LON)
    east = (LON + 180) % 360 - 180
    np.testing.assert_array_equal(weights, ((np.abs(LAT) <= 30)[:, None] & (np.abs(east) <= 20)[None, :]).astype(float))
    np.testing.assert_array_equal(weights, Box(-30, 30, 340, 20).weight(LAT, LON))


def test_a_box_tapers_at_its_edges_in_km():
    """At 60 north a degree of longitude is half as long, to the second order."""
    region = Box(0, 60, 0, 180, taper_km=10 * KM_OF_DEGREE)
    assert region.weight(np.array([30.0]), np.array([90.0]))[0, 0] == 1
    assert region.weight(np.array([5.0]), np.array([90.0]))[0, 0] == pytest.approx(0.5)
    inside = np.rad2deg(np.arcsin(np.cos(np.deg2rad(50)) * np.sin(np.deg2rad(8))))
    expected = (1 - np.cos(np.pi * inside / 10)) / 2
    assert region.weight(np.array([50.0]), np.array([8.0]))[0, 0] == pytest.approx(expected)


def test_a_cap_has_no_edge_at_the_pole_and_a_band_none_in_longitude():
    region = Box(60, 90, 0, 360, taper_km=500)
    weights = region.weight(LAT, LON)
    assert (weights[LAT > 65] == 1).all()
    assert (np.ptp(weights, axis=1) == 0).all()
    np.testing.assert_array_equal(weights, Band(60, 90, taper_km=500).weight(LAT, LON))


@pytest.mark.parametrize("box", [Box(-20, 35, 300, 20), Box(50, 80, 10, 40), Box(-85, -10, 100, 280), Box(10, 20, 0, 360)])
def test_distances_to_a_box_are_those_to_the_nearest_of_its_points(box):
    rows = np.linspace(box.south, box.north, 111)
    columns = box.west + np.linspace(0, box._width, 361)
    lat, lon = LAT[::3], LON[::4]
    points_lat, points_lon = (part.reshape(-1) for part in np.meshgrid(rows, columns, indexing="ij"))
    nearest = np.stack([
        [great_circle_km(a, b, points_lat, points_lon).min() for b in lon] for a in lat
    ])
    # The region's points are up to half a degree apart.
    np.testing.assert_allclose(box.distance_km(lat, lon), nearest, atol=0.4 * KM_OF_DEGREE)
    assert (box.distance_km(lat, lon) <= nearest + 1e-6).all()


@pytest.mark.parametrize("region", [Disk(40, 300, 2000, 500), Box(-20, 35, 300, 20, 800), Band(-20, 35, 800), Everywhere()])
def test_a_region_moved_by_columns_is_the_same_field_moved(region):
    moved = region.moved_east(90).weight(LAT, LON)
    np.testing.assert_allclose(moved, np.roll(region.weight(LAT, LON), 18, axis=1), atol=1e-9)
    assert ((region.distance_km(LAT, LON) > 0) <= (region.weight(LAT, LON) == 0)).all()


def test_all_around_stays_so_wherever_it_is_moved():
    moved = [Box(-20, 35, 0, 360).moved_east(degrees) for degrees in np.linspace(0.1, 359.9, 400)]
    assert max(each.east - each.west for each in moved) > 360
    assert all(each.weight(LAT, LON)[(LAT > -20) & (LAT < 35)].min() == 1 for each in moved)


@pytest.mark.parametrize("make", [
    lambda: Disk(91, 0, 100), lambda: Disk(0, 0, 0), lambda: Disk(0, 0, 100, 101), lambda: Box(10, 10, 0, 20),
    lambda: Box(10, 95, 0, 20), lambda: Band(20, 10), lambda: Box(0, 10, 20, 20), lambda: Box(0, 10, 0, 20, -1), lambda: Disk(float("nan"), 0, 100),
    lambda: Box(25, 60, 90, 500),
])
def test_regions_that_are_none_are_refused(make):
    with pytest.raises(UserError, match="region"):
        make()
