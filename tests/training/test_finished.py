"""A finished training is told from its checkpoint's header; whatever is damaged or of something else is unfinished."""

import subprocess
import sys

import pytest
import torch
from aurorascope.training.checkpoint import Checkpoint
from aurorascope.training.finished import is_finished, make_claim

CLAIM = {"block_id": "encoder_s2_b0", "config_sha256": "c" * 64, "manifest_sha256": "m" * 64}


def saved(folder, step, **notes):
    checkpoint = Checkpoint(folder, **CLAIM)
    checkpoint.save({"parameter.W_dec": torch.zeros(2, 3)}, step, {"rows": "24", "device": "cpu", **notes})
    return checkpoint.path


def test_the_last_step_of_just_this_training(tmp_path):
    """One step earlier, another configuration, and one of before this was noted are not finished."""
    path = saved(tmp_path, 20, n_steps="20")
    assert is_finished(path, make_claim(**CLAIM))
    for key in CLAIM:
        assert not is_finished(path, make_claim(**{**CLAIM, key: "other"}))
    assert not is_finished(saved(tmp_path, 19, n_steps="20"), make_claim(**CLAIM))
    assert not is_finished(saved(tmp_path, 20), make_claim(**CLAIM))


@pytest.mark.parametrize("content", [None, b"", b"\x08\0\0\0\0\0\0\0[1, 2]", b"\xff" * 100, b"\x02\0\0\0\0\0\0\0{}"])
def test_what_cannot_be_read_is_unfinished(tmp_path, content):
    """A missing, empty or damaged file is no error where jobs are only planned."""
    path = tmp_path / "checkpoint.safetensors"
    if content is not None:
        path.write_bytes(content)
    assert not is_finished(path, make_claim(**CLAIM))


def test_planning_imports_nothing_heavy(root):
    """The Snakefile, parsed twice a cluster job, asks this of every block."""
    code = "import sys; sys.modules['torch'] = None; sys.modules['numpy'] = None; import aurorascope.training.finished"
    subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(root / "workflow")}, check=True)
