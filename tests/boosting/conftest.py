import shutil

import pytest

from tests.boosting.folder import Folder


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """One folder with a first SAE, read only."""
    return Folder(tmp_path_factory.mktemp("made") / "results")


@pytest.fixture
def folder(made, tmp_path):
    """A copy of it to be boosted, or spoilt."""
    copy = Folder.__new__(Folder)
    copy.__dict__.update(made.__dict__, results=tmp_path / "results")
    shutil.copytree(made.results, copy.results)
    return copy
