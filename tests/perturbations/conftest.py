"""Inputs of the small demo, made once."""

import pytest
from aurorascope.perturbations.inputs import Inputs

from tests.backbone import small


@pytest.fixture(scope="session")
def inputs():
    """Two demo states on a 19 x 36 grid with all 13 levels, and the statics."""
    (previous, current), static = small.small_states()
    return Inputs(previous, current, small.TIMES[1], static)


@pytest.fixture(scope="session")
def model():
    """See `small.small_model`."""
    return small.small_model()
