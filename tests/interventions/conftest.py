"""The linear stand-in, and the small Aurora of the backbone's tests."""

import pytest

from tests.backbone import small
from tests.interventions import linear


@pytest.fixture(scope="session")
def line():
    return linear.Linear()


@pytest.fixture(scope="session")
def model():
    return small.small_model()


@pytest.fixture(scope="session")
def batch():
    return small.small_batch(small.small_states())
