"""A folder whose results a circuit can be traced on."""

import contextlib

import pytest

from tests.circuits import folder


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    path = tmp_path_factory.mktemp("circuits")
    with contextlib.chdir(path):
        folder.make_folder(path)
        folder.write("circuits", "first", folder.CIRCUIT)
        folder.run("first")
    return path


@pytest.fixture
def inside(place):
    """The folder, as the working one."""
    with contextlib.chdir(place):
        yield place
