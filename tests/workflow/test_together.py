"""Many SAEs in one process: the same files as alone, whether activations are on disk or computed."""

import json
import re

import pytest

from tests.workflow.project import BLOCKS, tiny_config

pytestmark = pytest.mark.slow


def saes(project):
    return {
        path.name: path.read_bytes() for block in BLOCKS[:3] for path in project.result("saes").glob(f"sae_{block}.*")
    }


def test_stores_are_read_in_one_process_and_jobs_only_export(suite, tmp_path):
    """`train_together`, then the training jobs: byte for byte the suite's, and no checkpoint is left."""
    project = suite.copy(tmp_path / "project")
    for block in BLOCKS[:3]:
        for suffix in ("json", "pt"):
            project.result(f"saes/sae_{block}.{suffix}").unlink()
    project.make("train_together", cores=1)
    log = project.result("logs/train_together.log").read_text()
    assert f"{BLOCKS[3]} has its SAE already" in log and log.count("dead for") == 3
    assert project.result(f"scratch/training/{BLOCKS[0]}/checkpoint.safetensors").is_file()
    targets = [f"results/saes/sae_{block}.pt" for block in BLOCKS]
    # Where jobs ask for GPUs, only the one that would train does.
    words = "--dry-run", "--cores", "1", "--forcerun", "train_sae", "--config", "aurora={device: auto}"
    done = project.run(*targets, *words)
    asked = re.findall(r"wildcards: block=(\w+)\n +resources: .*gpu=(\d)", done.stdout + done.stderr)
    assert sorted(asked) == sorted((block, "1" if block == BLOCKS[3] else "0") for block in BLOCKS)
    project.make(*targets[:3])
    assert saes(project) == saes(suite)
    for block in BLOCKS[:3]:
        made = json.loads(project.result(f"training/{block}.provenance.json").read_text())
        assert "rows_per_s" not in made
        assert not project.result(f"scratch/training/{block}").exists()


def test_one_forward_a_snapshot_and_epoch_serves_all_blocks(checkpoint_project, suite, tmp_path):
    """Live: the same SAEs, and as many forwards as one block alone would need."""
    project = checkpoint_project.copy(tmp_path / "live")
    config = tiny_config()
    project.configure({**config, "activations": {"mode": "live"}, "blocks": list(BLOCKS[:3])})
    project.make("fill_activations", cores=1)
    project.make("train_together", cores=1)
    log = project.result("logs/train_together.log").read_text()
    assert f"{4 * config['sae']['epochs']} forwards of Aurora" in log
    project.make(*(f"results/saes/sae_{block}.pt" for block in BLOCKS[:3]))
    assert saes(project) == saes(suite)
    assert not list(project.result("scratch/activations").rglob("store.zarr/activation/c/*"))
