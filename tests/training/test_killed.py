"""Trainings in real processes, killed at any time: what is left at the end has the bytes of an undisturbed one."""

import json
import random
import time

import pytest
from tiny import claim, make_store

from tests import forked
from tests.training import driver

pytestmark = pytest.mark.slow
PATIENCE_S, N_STEPS = 120, 120


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """5 snapshots of 288 tokens, 40 channels."""
    content = claim(range(3, 8), block_id="encoder_s0_b1", d_model=40)
    return make_store(tmp_path_factory.mktemp("store"), content)


def start(manifest, folder):
    folder.mkdir(exist_ok=True)
    return forked.start(driver.train, manifest, folder)


def lines(folder):
    journal = folder / "journal"
    return journal.read_text().splitlines() if journal.exists() else []


def finish(manifest, folder):
    process = start(manifest, folder)
    process.join(PATIENCE_S)
    assert process.exitcode == 0
    return json.loads((folder / "result.json").read_text())


@pytest.fixture(scope="module")
def straight(manifest, tmp_path_factory):
    """Result of the undisturbed training."""
    folder = tmp_path_factory.mktemp("straight")
    result = finish(manifest, folder)
    assert lines(folder) == ["started", *(f"step {t}" for t in range(1, N_STEPS + 1))]
    return result


def steps(folder):
    return [int(line.split()[1]) for line in lines(folder) if line.startswith("step")]


def kill_at_random(manifest, folder, share, rng):
    """Start the training and kill it within `share` of the steps that are left, at any moment of one."""
    before = len(lines(folder))
    wanted = before + rng.randint(1, 1 + int(share * (N_STEPS - max(steps(folder), default=0))))
    process = start(manifest, folder)
    deadline = time.monotonic() + PATIENCE_S
    while len(lines(folder)) < wanted:
        assert time.monotonic() < deadline, "the training did not start"
        assert process.is_alive()
        time.sleep(0.001)
    # A step with its checkpoint takes about 10 ms.
    time.sleep(rng.uniform(0, 0.03))
    process.kill()
    process.join()
    assert process.exitcode == -9


def history(manifest, folder, expected, kills, rng):
    """One training killed some times, then left alone; returns how many of its starts went on from a checkpoint."""
    for number in range(kills):
        kill_at_random(manifest, folder, 0.5 / (kills - number), rng)
    assert finish(manifest, folder) == expected
    done = steps(folder)
    assert set(done) == set(range(1, N_STEPS + 1))
    # Between two checkpoints lies one step, of which the next start does at most the one that was not saved again.
    assert len(done) <= N_STEPS + kills
    return sum(line.startswith("resumed") for line in lines(folder))


@pytest.mark.long
def test_three_kills(manifest, straight, tmp_path):
    """Killed three times at random moments, the training ends with the same bytes, having gone on each time it could."""
    assert history(manifest, tmp_path / "run", straight, 3, random.Random(0)) >= 2


@pytest.mark.soak
def test_twenty_histories_of_kills(manifest, straight, tmp_path):
    """Twenty trainings, each killed one to five times at random moments; most starts after a kill went on."""
    rng, resumed, kills = random.Random(1), 0, 0
    for number in range(20):
        n = rng.randint(1, 5)
        resumed += history(manifest, tmp_path / str(number), straight, n, rng)
        kills += n
    assert resumed >= 0.7 * kills
