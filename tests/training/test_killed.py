"""Trainings in real processes, killed at any time: what is left at the end has the bytes of an undisturbed one."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import claim, make_store

pytestmark = pytest.mark.slow
DRIVER = Path(__file__).with_name("driver.py")
PATIENCE_S, N_STEPS = 120, 120


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """5 snapshots of 288 tokens, 40 channels."""
    content = claim(range(3, 8), block_id="encoder_s0_b1", d_model=40)
    return make_store(tmp_path_factory.mktemp("store"), content)


def start(manifest, folder, root):
    folder.mkdir(exist_ok=True)
    paths = os.pathsep.join(str(path) for path in (root / "workflow", root / "tests", root))
    return subprocess.Popen(
        [sys.executable, DRIVER, manifest, folder], env={**os.environ, "PYTHONPATH": paths}, stderr=subprocess.PIPE
    )


def lines(folder):
    journal = folder / "journal"
    return journal.read_text().splitlines() if journal.exists() else []


def finish(manifest, folder, root):
    process = start(manifest, folder, root)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors.decode()
    return json.loads((folder / "result.json").read_text())


@pytest.fixture(scope="module")
def straight(manifest, root, tmp_path_factory):
    """Result of the undisturbed training."""
    folder = tmp_path_factory.mktemp("straight")
    result = finish(manifest, folder, root)
    assert lines(folder) == ["started", *(f"step {t}" for t in range(1, N_STEPS + 1))]
    return result


def steps(folder):
    return [int(line.split()[1]) for line in lines(folder) if line.startswith("step")]


def kill_at_random(manifest, folder, root, share, rng):
    """Start the training and kill it within `share` of the steps that are left, at any moment of one."""
    before = len(lines(folder))
    wanted = before + rng.randint(1, 1 + int(share * (N_STEPS - max(steps(folder), default=0))))
    process = start(manifest, folder, root)
    deadline = time.monotonic() + PATIENCE_S
    while len(lines(folder)) < wanted:
        assert time.monotonic() < deadline, "the training did not start"
        assert process.poll() is None, process.stderr.read().decode()
        time.sleep(0.001)
    # A step with its checkpoint takes about 10 ms.
    time.sleep(rng.uniform(0, 0.03))
    process.kill()
    process.communicate()
    assert process.returncode == -9


def history(manifest, folder, root, expected, kills, rng):
    """One training killed some times, then left alone; returns how many of its starts went on from a checkpoint."""
    for number in range(kills):
        kill_at_random(manifest, folder, root, 0.5 / (kills - number), rng)
    assert finish(manifest, folder, root) == expected
    done = steps(folder)
    assert set(done) == set(range(1, N_STEPS + 1))
    # Between two checkpoints lies one step, of which the next start does at most the one that was not saved again.
    assert len(done) <= N_STEPS + kills
    return sum(line.startswith("resumed") for line in lines(folder))


def test_three_kills(manifest, straight, root, tmp_path):
    """Killed three times at random moments, the training ends with the same bytes, having gone on each time it could."""
    assert history(manifest, tmp_path / "run", root, straight, 3, random.Random(0)) >= 2


@pytest.mark.soak
def test_twenty_histories_of_kills(manifest, straight, root, tmp_path):
    """Twenty trainings, each killed one to five times at random moments; most starts after a kill went on."""
    rng, resumed, kills = random.Random(1), 0, 0
    for number in range(20):
        n = rng.randint(1, 5)
        resumed += history(manifest, tmp_path / str(number), root, straight, n, rng)
        kills += n
    assert resumed >= 0.7 * kills
