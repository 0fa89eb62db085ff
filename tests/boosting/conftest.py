import shutil

import pytest
import torch

from tests.boosting.folder import Folder


@pytest.fixture(scope="package", autouse=True)
def _one_thread():
    """Tensors this small only wait for one another on more threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
