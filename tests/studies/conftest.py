"""The linear stand-in that forecasts, its planted SAE and inputs."""

import contextlib
import dataclasses
import shutil
from pathlib import Path

import pytest
from aurorascope.studies import run_study

from tests.once import made_once
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
    return Small(path, folder.copy_folder(tmp_path_factory, path))


@pytest.fixture(scope="session")
def finished_study(small, tmp_path_factory):
    """Name of a study that has run in the small folder."""

    def make(path):
        folder.copy_folder(tmp_path_factory, path)
        folder.write_file(path, "first", folder.given(small.feature))
        with contextlib.chdir(path):
            folder.run("first")

    made = made_once(tmp_path_factory, "finished-study", make)
    for name in ("studies", "results/studies", "results/scratch/studies"):
        shutil.copytree(made / name, small.path / name, dirs_exist_ok=True)
    return "first"
