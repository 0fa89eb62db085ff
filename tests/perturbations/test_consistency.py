"""What moves with a change: columns and particles, against closed forms."""

import numpy as np
import pytest
from aurorascope.errors import UserError
from aurorascope.perturbations.consistency import level_masses, moved_column, moved_particles

G = 9.80665


def test_the_air_between_levels_is_shared_by_both():
    mass = level_masses((100, 500, 1000), np.full((3, 1, 1), 5.0), np.zeros((1, 1)))[:, 0, 0]
    np.testing.assert_allclose(mass * G, [200e2, 450e2, 250e2])
    backwards = level_masses((1000, 500, 100), np.full((3, 1, 1), 5.0), np.zeros((1, 1)))[:, 0, 0]
    np.testing.assert_array_equal(backwards, mass[::-1])


def test_levels_below_ground_hold_no_air_nor_what_is_between_them_and_the_next():
    z = np.array([9000.0, 4000.0, 100.0])[:, None, None]
    mass = level_masses((100, 500, 1000), z, np.full((1, 1), 1000.0))[:, 0, 0]
    np.testing.assert_allclose(mass * G, [200e2, 200e2, 0])


def test_one_level_has_no_air():
    with pytest.raises(UserError, match="at least 2"):
        level_masses((500,), np.ones((1, 1, 1)), np.zeros((1, 1)))


def test_a_column_never_falls_below_nothing():
    mass = np.full((2, 1, 2), 3.0)
    change = np.array([[[1.0, -1.0]], [[1.0, -1.0]]])
    np.testing.assert_array_equal(moved_column(np.array([[4.0, 4.0]]), change, mass), [[10.0, 0.0]])


@pytest.mark.parametrize("moved", ["pm1", "pm2p5", "pm10"])
def test_particles_keep_their_ratios_and_order(moved):
    rng = np.random.default_rng(0)
    sizes = np.sort(rng.uniform(0, 1, (3, 5, 6)), axis=0)
    sizes[0, 0], sizes[:2, 1], sizes[:, 2], sizes[1, 3], sizes[:, 4] = 0, 0, 0, sizes[0, 3], sizes[1, 4]
    old = dict(zip(("pm1", "pm2p5", "pm10"), sizes, strict=True))
    new = old[moved] * 1.3 + 0.1
    found = moved_particles(moved, old, new)
    np.testing.assert_array_equal(found[moved], new)
    assert (found["pm1"] <= found["pm2p5"]).all()
    assert (found["pm2p5"] <= found["pm10"]).all()
    there = (sizes > 0).all(axis=0)
    for a in found:
        np.testing.assert_allclose(found[a][there] / new[there], old[a][there] / old[moved][there])
