"""A copied release: the files that `SHA256SUMS` names, and nothing of the run that made them."""

import shutil

import pytest


@pytest.fixture
def release(suite, tmp_path):
    """The finished tiny suite as a stranger gets it, free to be changed."""
    folder = tmp_path / "release"
    for line in suite.result("SHA256SUMS").read_text().splitlines():
        name = line.split("  ")[1]
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(suite.result(name), folder / name)
    return folder
