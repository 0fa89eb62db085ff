"""The small model, its states and its batch, made once."""

import pytest

from tests.backbone import small


@pytest.fixture(scope="session")
def model():
    """See `small.small_model`."""
    return small.small_model()


@pytest.fixture(scope="session")
def states():
    """See `small.small_states`."""
    return small.small_states()


@pytest.fixture(scope="session")
def batch(states):
    """See `small.small_batch`."""
    return small.small_batch(states)
