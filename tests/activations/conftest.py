import shutil

import pytest
from tiny import claim, make_store

from tests.activations.stores import DAYS


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """One published store, read only."""
    folder = tmp_path_factory.mktemp("finished")
    make_store(folder, claim(DAYS))
    return folder


@pytest.fixture
def writable(finished, tmp_path):
    """A copy of it to be spoilt."""
    return shutil.copytree(finished, tmp_path / "store")
