"""Geometry of the grid against closed forms and brute force."""

import numpy as np
import pytest
from aurorascope.cams.grid import regular_grid
from aurorascope.sphere import (
    AREA_UNITS,
    RADIUS_M,
    cell_areas,
    connected,
    dilate,
    disk,
    gradient,
    great_circle_km,
    neighbours,
    row_edges,
    vorticity,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

LAT, LON = regular_grid(181, 360)
PHI, LAMDA = np.deg2rad(LAT)[:, None], np.deg2rad(LON)[None, :]
KM = RADIUS_M / 1000


@pytest.mark.parametrize(("rows", "columns"), [(46, 90), (451, 900), (9, 9)])
def test_areas_are_whole_numbers_that_cover_the_sphere(rows, columns):
    lat, _ = regular_grid(rows, columns)
    areas = cell_areas(lat, columns)
    assert areas.dtype == np.int64 and (areas == areas[::-1]).all() and (areas > 0).all()
    # Each cell is rounded by at most a half.
    assert abs(int(areas.sum()) * columns - AREA_UNITS) <= rows * columns / 2
    cap = (1 - np.cos(np.deg2rad(90 / (rows - 1)))) / 2 / columns * AREA_UNITS
    assert abs(areas[0] - cap) <= 0.5


def test_rows_end_half_a_step_away_and_not_beyond_a_pole():
    np.testing.assert_array_equal(row_edges(np.array([90.0, 80.0, 70.0])), [90, 85, 75, 65])


def test_distances_of_known_arcs():
    assert great_circle_km(0, 350, 0, 80) == pytest.approx(KM * np.pi / 2)
    assert great_circle_km(90, 12, -90, 77) == pytest.approx(KM * np.pi)
    assert great_circle_km(30, 10, -30, 190) == pytest.approx(KM * np.pi)
    assert great_circle_km(60, 0, 60, 180) == pytest.approx(KM * np.pi / 3)
    assert great_circle_km(5.0, 359.5, 5.0, 0.5) == pytest.approx(great_circle_km(5.0, 10.0, 5.0, 11.0))


def test_gradients_of_a_linear_field_in_space():
    """cos(phi) sin(lambda) and sin(phi) are coordinates in space."""
    east, north = gradient(np.cos(PHI) * np.sin(LAMDA), LAT, LON)
    np.testing.assert_allclose(east[1:-1] * RADIUS_M, np.broadcast_to(np.cos(LAMDA), (179, 360)), atol=1e-4)
    np.testing.assert_allclose(north[1:-1] * RADIUS_M, (-np.sin(PHI) * np.sin(LAMDA))[1:-1], atol=1e-4)
    assert np.isfinite(east).all() and np.isfinite(north).all()
    east, north = gradient(np.broadcast_to(np.sin(PHI), (181, 360)), LAT, LON)
    assert (east == 0).all()
    np.testing.assert_allclose(north[1:-1] * RADIUS_M, np.broadcast_to(np.cos(PHI), (181, 360))[1:-1], atol=1e-4)


def test_vorticity_of_solid_bodies():
    """A rotation about any axis has twice its rate times the cosine of the angle to the axis, at the poles too."""
    rate = 1e-5
    zero = np.zeros((181, 360))
    upright = vorticity(zero + rate * RADIUS_M * np.cos(PHI), zero, LAT, LON)
    np.testing.assert_allclose(upright, zero + 2 * rate * np.sin(PHI), atol=2 * rate * 2e-3)
    # About the axis through the equator at longitude 0.
    u, v = -rate * RADIUS_M * np.sin(PHI) * np.cos(LAMDA), zero + rate * RADIUS_M * np.sin(LAMDA)
    # Differences are coarsest against cells that narrow towards the poles.
    np.testing.assert_allclose(vorticity(u, v, LAT, LON), 2 * rate * np.cos(PHI) * np.cos(LAMDA), atol=2 * rate * 5e-3)


@given(arrays(bool, (7, 12), elements=st.sampled_from([False, False, False, True])), st.floats(0, 21000), st.integers(0, 11))
def test_dilation_is_that_of_brute_force_and_turns_with_the_mask(mask, km, turn):
    lat, lon = regular_grid(7, 12)
    expected = np.zeros_like(mask)
    for row, column in np.argwhere(mask):
        expected |= great_circle_km(lat[row], lon[column], lat[:, None], lon[None, :]) <= km * (1 + 1e-12)
    np.testing.assert_array_equal(dilate(mask, lat, lon, km), expected)
    np.testing.assert_array_equal(dilate(np.roll(mask, turn, 1), lat, lon, km), np.roll(expected, turn, 1))


@pytest.mark.parametrize("row", [0, 3, 90, 177])
def test_one_cell_grows_to_a_disk(row):
    mask = np.zeros((181, 360), bool)
    mask[row, 359] = True
    np.testing.assert_array_equal(dilate(mask, LAT, LON, 700.3), disk(LAT, LON, (LAT[row], LON[359]), 700.3))


def test_more_objects_than_numbers_are_refused():
    mask = np.zeros((600, 600), bool)
    mask[::2, ::2] = True
    with pytest.raises(ValueError, match="90000 objects, more than the 65535"):
        connected(mask)


def test_neighbours_close_the_circle_and_end_at_the_poles():
    around = neighbours(np.arange(12).reshape(3, 4), -1)
    assert sorted(around[:, 1, 0]) == [0, 1, 3, 5, 7, 8, 9, 11]
    assert sorted(around[:, 0, 3]) == [-1, -1, -1, 0, 2, 4, 6, 7]
