"""The linear stand-in that forecasts, its planted SAE and inputs."""

import pytest
from aurorascope.studies import run_study

from tests.studies import input_planted, linear, planted


@pytest.fixture(scope="session")
def line():
    return linear.Forecasting()


@pytest.fixture(scope="session")
def sae():
    return planted.planted_sae()


@pytest.fixture(scope="session")
def ran(line, sae):
    """Results by feature, each run once."""
    found = {}

    def run(feature):
        if feature not in found:
            found[feature] = run_study(planted.study(feature), line, {linear.BLOCK: sae}, planted.batches())
        return found[feature]

    return run


@pytest.fixture(scope="session")
def carrying():
    """See `input_planted.planted_model`."""
    return input_planted.planted_model()


@pytest.fixture(scope="session")
def inputs_by_date():
    return input_planted.inputs_of()
