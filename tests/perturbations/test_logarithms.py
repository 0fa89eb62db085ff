"""The logarithm beside each static emission, found from both fields."""

import numpy as np
import pytest
from aurorascope.errors import UserError
from aurorascope.perturbations.logarithms import fit_logarithm


@pytest.mark.parametrize(("base", "floor"), [(10, 0.0), (np.e, 0.0), (10, 1e-13), (2, 3e-12)])
def test_the_logarithm_is_found_whatever_its_base_and_floor(base, floor):
    emission = np.exp(np.random.default_rng(1).normal(-27, 3, (20, 30)))
    if floor:
        emission[:12] = 0
    log = np.log(np.maximum(emission, floor)) / np.log(base)
    found = fit_logarithm("static_nox", emission, log.astype(np.float32))
    np.testing.assert_allclose(found(emission), log, atol=2e-5)
    assert found.slope == pytest.approx(1 / np.log(base), rel=1e-5)
    np.testing.assert_allclose(found(emission * 3), np.log(np.maximum(emission * 3, found.floor)) / np.log(base), atol=2e-5)
    assert found.floor == pytest.approx(floor or emission.min(), rel=1e-4)


def test_one_that_bends_is_taken_from_a_table_of_the_fields():
    emission = np.exp(np.random.default_rng(3).normal(-27, 3, (60, 90)))
    emission[0] = 0
    c = np.exp(-29)
    log = (np.log(emission + c) - np.log(c)).astype(np.float32)
    found = fit_logarithm("static_nox", emission, log)
    for factor in (0, 0.3, 1, 4):
        np.testing.assert_allclose(found(factor * emission), np.log(factor * emission + c) - np.log(c), atol=5e-3 * log.max())
    np.testing.assert_array_equal(found(np.zeros(2)), 0)


def test_what_is_no_logarithm_is_refused():
    emission = np.random.default_rng(2).uniform(1e-12, 1e-9, (9, 9))
    noise = np.random.default_rng(4).normal(0, 0.1, (9, 9))
    for log in (np.sqrt(emission), np.zeros((9, 9)), -np.log(emission), np.log(emission) + noise, emission):
        with pytest.raises(UserError, match="static_co_log"):
            fit_logarithm("static_co", emission, log)
