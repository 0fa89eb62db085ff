"""A disk without room: looked at before anything is asked for, survived when it fills up on the way."""

import subprocess
import sys

import pytest

from tests.cams.ads_scenarios import DAY

pytestmark = pytest.mark.slow


def shell(run, before, *wrapper):
    """The rule's command after some words of shell; returns status and last line."""
    command = f"{before}; exec {sys.executable} -m aurorascope {' '.join(run.words(DAY))}"
    words = [*wrapper, "bash", "-c", command]
    done = subprocess.run(words, cwd=run.folder, env=run.environment(), capture_output=True, text=True, check=False)
    return done.returncode, (done.stderr.strip().splitlines() or [""])[-1]


def test_no_room_for_a_day(run, server):
    """On a disk of 50 MB nothing is asked for."""
    mount = "mkdir -p results/scratch && mount -t tmpfs -o size=50m tmpfs results/scratch"
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode:
        pytest.skip("this system does not let us mount a small disk")
    status, line = shell(run, mount, "unshare", "-rm")
    assert status == 1
    assert "GB free for one day" in line and "storage.scratch" in line
    assert server.jobs == [] and server.calls == []


@pytest.mark.parametrize("blocks", [20, 60])
def test_a_disk_that_fills_up_on_the_way(run, server, blocks):
    """No file may grow beyond some blocks of 1 KiB: the zip does not, or its contents do not. The job is kept."""
    status, line = shell(run, f"ulimit -f {blocks}")
    assert status == 1, line
    assert "enough free space" in line
    assert run.record(DAY) is None
    assert f"{DAY}.zip" not in run.names() and f"{DAY}.rejected.zip" not in run.names()
    done = run.download(DAY)
    assert done.status == 0, done.last
    assert len(server.jobs) == 1
