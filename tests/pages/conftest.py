"""Pages that tests of this folder look at."""

import pytest

from tests.once import made_once
from tests.pages.built import build, make_atlases

# What a user might call a feature, in a file that may come from anywhere.
HOSTILE = "</script><script>alert('<&>\u2028')</script>\" onload=\"x"


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Pages of two blocks, one of them with names; the first feature's is hostile."""
    atlases, folder = made_once(tmp_path_factory, "planted-atlases", make_atlases), tmp_path_factory.mktemp("pages")
    return build(atlases, folder / "atlas", {"encoder_s0_b0": {(0, 1): HOSTILE, (12, 1): "noise"}})
