"""What docs/releasing.md says may be uploaded is what `SHA256SUMS` covers, and packing it as told gives a whole release."""

import re
import subprocess
from fnmatch import fnmatchcase

import pytest
from aurorascope import Suite
from aurorascope.release.bundle import release_files

from tests.workflow.project import BLOCKS, ROOT

pytestmark = pytest.mark.slow
PAGE = (ROOT / "docs" / "releasing.md").read_text()


def allowed():
    """The allow-list: the words of the first code block."""
    return re.search(r"# Uploading a release\n.*?```\n(.*?)```", PAGE, re.DOTALL)[1].split()


@pytest.fixture(scope="module")
def patterns():
    return allowed()


@pytest.fixture(scope="module")
def listed(suite):
    """Files that a release has: those of `SHA256SUMS`, and itself."""
    lines = suite.result("SHA256SUMS").read_text().splitlines()
    return {*(line.split("  ", 1)[1] for line in lines), "SHA256SUMS"}


def test_the_allow_list_is_the_release(suite, patterns, listed):
    """Every file matches, every pattern is needed, and the patterns find nothing else under results."""
    assert listed == {*map(str, release_files(suite.result("."))), "SHA256SUMS"}
    assert [name for name in sorted(listed) if not any(fnmatchcase(name, pattern) for pattern in patterns)] == []
    results = suite.result(".")
    found = [{str(path.relative_to(results)) for path in results.glob(pattern)} for pattern in patterns]
    # The suite has neither forecasts measured nor other seeds nor atlases nor boosts; tests/workflow has them in the digests.
    left_out = [pattern for pattern, names in zip(patterns, found, strict=True) if not names]
    assert {pattern.split("/")[0] for pattern in left_out} == {"fidelity", "stability", "atlas", "boosts"}
    assert set().union(*found) == listed
    assert sum(map(len, found)) == len(listed)


def test_nothing_of_scratch_can_be_uploaded(patterns, listed):
    """Neither the list nor the digests reach scratch, logs or the training's leftovers."""
    closed = ("scratch", "logs", "benchmarks", "training", "dropped", "features", "run.json")
    assert not [name for name in (*patterns, *listed) if name.split("/")[0] in closed or name[0] in "/.*"]


def test_packing_as_the_page_says(suite, listed, tmp_path):
    """Its two commands: the archive holds the release alone, its digests are right, and it opens."""
    pack, check = re.findall(r"`((?:cut|sha256sum)[^`]*)`", PAGE)
    assert "../release.tar" in pack
    command = pack.replace("../release.tar", str(tmp_path / "release.tar"))
    subprocess.run(["bash", "-ec", command], cwd=suite.result("."), check=True)
    (tmp_path / "copy").mkdir()
    subprocess.run(["tar", "-xf", "../release.tar"], cwd=tmp_path / "copy", check=True)
    assert {str(p.relative_to(tmp_path / "copy")) for p in (tmp_path / "copy").rglob("*") if p.is_file()} == listed
    done = subprocess.run(["bash", "-ec", check], cwd=tmp_path / "copy", capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.count(": OK") == len(listed) - 1
    assert Suite.open(tmp_path / "copy").ids == BLOCKS
