"""A folder whose results a circuit can be traced on."""

import contextlib
import shutil

import pytest

from tests.circuits import folder
from tests.once import made_once


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    def make(path):
        path.mkdir()
        with contextlib.chdir(path):
            folder.make_folder(tmp_path_factory, path)
            folder.write("circuits", "first", folder.CIRCUIT)
            folder.run("first")

    path = tmp_path_factory.mktemp("circuits")
    return shutil.copytree(made_once(tmp_path_factory, "traced-circuit", make), path, dirs_exist_ok=True)


@pytest.fixture
def inside(place):
    """The folder, as the working one."""
    with contextlib.chdir(place):
        yield place
