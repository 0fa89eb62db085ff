"""Studies in real processes, killed at any time: what is left at the end has the bytes of an undisturbed one."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.studies import folder

pytestmark = pytest.mark.slow
PATIENCE_S = 120


class Driver:
    """The process that forks for each run of the verb, in a folder."""

    def __init__(self, path, root):
        paths = os.pathsep.join(str(each) for each in (root / "workflow", root))
        environment = {**os.environ, "PYTHONPATH": paths, "AURORASCOPE_CONFIG": str(path / "config.json"), "OMP_NUM_THREADS": "1"}
        self._path = path
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.studies.driver"], cwd=path, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True,
        )

    def start(self, name):
        """Number of a process that runs a study."""
        self._process.stdin.write(f"run_study --study {name} --results results --log {self._path / name}.log\n")
        self._process.stdin.flush()
        return self._said("started")

    def end(self):
        """Exit status of the one that was started, once it has ended."""
        return self._said("ended")

    def _said(self, word):
        # Whatever else it says is no number of a process, least of all 0, which would be this one and all around it.
        found, number = self._process.stdout.readline().split()
        assert found == word
        return int(number)

    def finish(self, name):
        """Run a study to its end."""
        self.start(name)
        assert self.end() == 0, (self._path / f"{name}.log").read_text()

    def kept(self, name):
        """Arms that are kept. Folders beside them come and go, which a walk takes no notice of."""
        top = self._path / "results/scratch/studies/arms" / name
        return [Path(folder, each) for folder, _, names in os.walk(top) for each in names if each.startswith("2022-")]

    def kill(self, name, n_more, rng):
        """Start a study and kill it once it has kept so many arms more, at any moment of the next; returns how many it leaves."""
        wanted, child = len(self.kept(name)) + n_more, self.start(name)
        deadline = time.monotonic() + PATIENCE_S
        while len(self.kept(name)) < wanted:
            assert time.monotonic() < deadline, "no arm was kept"
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        assert self.end() == -signal.SIGKILL
        return len(self.kept(name))

    def close(self):
        self._process.stdin.close()
        self._process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def driver(small, root):
    made = Driver(small.path, root)
    yield made
    made.close()


@pytest.mark.long
def test_five_kills_leave_the_bytes_of_none(small, driver):
    """Each job goes on after the arms that were kept; nothing of them is left in the end."""
    content, rng = folder.given(small.feature, dates=["2022-06-20"]), random.Random(0)
    folder.write_file(small.path, "killed", content)
    left = [0]
    for n_more in (1, 2, 1, 2, 3):
        left.append(driver.kill("killed", n_more, rng))
    assert left == sorted(set(left)) and left[-1] >= 9
    driver.finish("killed")
    assert f"{left[-1]} arms were kept" in (small.path / "killed.log").read_text()
    found = folder.contents(small.path, "killed")
    # The same study in a file of the same name, in one go.
    driver.finish("killed")
    assert "were kept" not in (small.path / "killed.log").read_text()
    assert folder.contents(small.path, "killed") == found
    assert not (small.path / "results/scratch/studies/arms/killed").exists()


@pytest.mark.long
def test_kills_of_a_study_of_changed_inputs_leave_the_bytes_of_none(small, driver):
    """One that replaces by the mean of quiet dates, which each job finds anew."""
    perturb, rng = [{"replace_by_mean": {"variables": ["no2"], "region": folder.DISK}}], random.Random(3)
    folder.write_file(small.path, "inputs_killed", folder.given_inputs(
        perturb=perturb, quiet_dates=["2022-06-01", "2022-07-05"], dates=["2022-06-20"], blocks=[folder.BLOCK],
    ))
    left = [driver.kill("inputs_killed", n_more, rng) for n_more in (2, 3, 2)]
    assert left == sorted(set(left)) and left[-1] >= 7
    driver.finish("inputs_killed")
    assert f"{left[-1]} arms were kept" in (small.path / "inputs_killed.log").read_text()
    found = folder.contents(small.path, "inputs_killed")
    driver.finish("inputs_killed")
    assert "were kept" not in (small.path / "inputs_killed.log").read_text()
    assert folder.contents(small.path, "inputs_killed") == found
    assert {"responses.parquet", "reach.parquet", "rings.parquet"} < set(found)


def test_a_study_that_was_changed_after_a_kill_begins_anew(small, driver):
    """Arms of another digest are neither gone on from nor left."""
    rng = random.Random(1)
    folder.write_file(small.path, "changed", folder.given(small.feature, dates=["2022-06-20"]))
    assert driver.kill("changed", 3, rng) >= 3
    folder.write_file(small.path, "changed", folder.given(small.feature, dates=["2022-06-20"], seed=3))
    assert driver.kill("changed", 2, rng) < 6 and len({path.parent for path in driver.kept("changed")}) == 1
    driver.finish("changed")
    found = folder.contents(small.path, "changed")
    driver.finish("changed")
    assert folder.contents(small.path, "changed") == found


@pytest.mark.soak
def test_kills_at_any_time_leave_the_bytes_of_none(small, driver):
    """Also before the first arm, and while the files are written: ten histories of up to five kills within the time that a study takes."""
    folder.write_file(small.path, "any", folder.given(small.feature))
    driver.finish("any")
    # The first one waited for imports.
    rng, began = random.Random(2), time.monotonic()
    driver.finish("any")
    seconds, expected = time.monotonic() - began, folder.contents(small.path, "any")
    n_killed = 0
    for _ in range(10):
        for path in (small.path / "results/studies/any").iterdir():
            path.unlink()
        for _ in range(rng.randint(1, 5)):
            child = driver.start("any")
            time.sleep(rng.uniform(0, seconds))
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            n_killed += driver.end() == -signal.SIGKILL
        driver.finish("any")
        assert folder.contents(small.path, "any") == expected
        assert not driver.kept("any")
    assert n_killed > 10
