"""A disk that fills up in the middle, and a scratch disk that is purged: the same command goes on once there is room."""

import contextlib
import os
import re
import shutil

import pytest

from tests.workflow.project import tiny_config

pytestmark = pytest.mark.slow
ONE = "encoder_s1_b5"
ONE_PT = f"results/saes/sae_{ONE}.pt"


@contextlib.contextmanager
def small_disk(folder, kilobytes):
    """A file system of its own at a folder; yields what gives it room."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.system(f"mount -t tmpfs -o size={kilobytes}k tmpfs {folder} 2>/dev/null"):
        pytest.skip("this system does not let us mount a small file system")
    try:
        yield lambda: os.system(f"mount -o remount,size=64m {folder}")
    finally:
        os.system(f"umount {folder}")


def test_a_disk_that_fills_up_while_dumping(finished, suite):
    """One line says so; with room, the same command keeps the snapshots that were there and ends with the same bytes."""
    store = finished.result(f"scratch/activations/{ONE}/train")
    # Pages of a memory disk; the last 40 kB are a snapshot or two and what is written at the end.
    room = sum(-(-path.stat().st_size // 4096) * 4 for path in store.rglob("*") if path.is_file()) - 40
    shutil.rmtree(store)
    name = f"{store.relative_to(finished.path)}/manifest.json"
    with small_disk(store, room) as grow:
        line = finished.fail(name)
        assert "No space left on device" in line and str(store.relative_to(finished.path)) in line
        assert "then run the same command again" in line
        assert not grow()
        finished.make(name)
        log = finished.result(f"logs/dump_activations/{ONE}_train.log").read_text()
        assert re.search("[1-9] snapshots are already there", log)
        assert (finished.path / name).read_bytes() == (suite.path / name).read_bytes()


@pytest.mark.soak
def test_a_disk_that_fills_up_while_training(finished, suite):
    """The checkpoint does not fit; with room, the same command trains the same SAE."""
    finished.configure(tiny_config(sae__checkpoint_minutes=0.0001))
    finished.result(f"saes/sae_{ONE}.pt").unlink()
    with small_disk(finished.result(f"scratch/training/{ONE}"), 32) as grow:
        line = finished.fail(ONE_PT)
        assert "No space left on device" in line and "checkpoint.safetensors" in line
        assert not grow()
        finished.make(ONE_PT)
    assert finished.hashes() == suite.hashes()


def test_a_purged_scratch_disk(finished):
    """Finished results ask for nothing; an SAE's name plans what that SAE needs; the index would need all."""
    for path in finished.result("scratch").iterdir():
        shutil.rmtree(path)
    assert finished.planned() == {}
    finished.result(f"saes/sae_{ONE}.pt").unlink()
    jobs = finished.planned(ONE_PT)
    assert jobs["train_sae"] == jobs["dump_activations"] == jobs["make_checkpoint"] == 1 and "evaluate_sae" not in jobs
    assert finished.planned()["train_sae"] == len(finished.hashes())
