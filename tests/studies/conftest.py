"""The linear stand-in that forecasts, its planted SAE and inputs."""

import contextlib
import dataclasses
from pathlib import Path

import pytest
from aurorascope.studies import run_study

from tests.studies import folder, input_planted, linear, planted


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


@dataclasses.dataclass(frozen=True)
class Small:
    """A folder whose results a study can be run on.

    Attributes:
        path: the folder.
        feature: a feature that is on at many tokens.
    """

    path: Path
    feature: int


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("small")
    return Small(path, folder.make_folder(path))


@pytest.fixture(scope="session")
def finished_study(small):
    """Name of a study that has run in the small folder."""
    folder.write_file(small.path, "first", folder.given(small.feature))
    with contextlib.chdir(small.path):
        folder.run("first")
    return "first"
