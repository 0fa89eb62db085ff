"""Many SAEs in one process: the same files as alone, whether activations are on disk or computed."""

import json
import re

import psutil
import pytest
import torch
from aurorascope.activations.opening import open_reader
from aurorascope.blocks import BY_ID
from aurorascope.config import from_mapping
from aurorascope.config.resolve import resolve
from aurorascope.errors import UserError
from aurorascope.training.micro_batch import needed_bytes
from aurorascope.training.together import Together

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
    asked = re.findall(r"wildcards: block=(\w+)\n(?: +priority: 1\n)? +resources: .*gpu=(\d)", done.stdout + done.stderr)
    assert sorted(asked) == sorted((block, "1" if block == BLOCKS[3] else "0") for block in BLOCKS)
    # As a kill leaves it in the middle of an export: one's own goes, another block's may be in the making.
    left = [project.result(f"saes/.sae_{block}.pt.abcd1234.partial") for block in (BLOCKS[0], BLOCKS[3])]
    for path in left:
        path.touch()
    project.make(*targets[:3])
    assert [path.exists() for path in left] == [False, True]
    left[1].unlink()
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


def test_trainings_that_do_not_fit_at_once_are_refused(suite, monkeypatch):
    """Smaller micro-batches would round otherwise than one block's own job does."""
    config, device, name = from_mapping(resolve(tiny_config())[0]), torch.device("cpu"), BLOCKS[0]
    together = Together(config, suite.result(""), device)
    reader = open_reader(suite.result(f"scratch/activations/{name}/train/manifest.json"), config, device)
    rows = reader.n_tokens
    memory = psutil.virtual_memory()
    for free, is_enough in ((memory.available, True), (needed_bytes(config.sae, reader.d_model, rows, rows), False)):
        monkeypatch.setattr(psutil, "virtual_memory", lambda free=free: memory._replace(available=free))
        if is_enough:
            assert len(together._prepared_at_once([BY_ID[name]], [reader], None)) == 1
            continue
        with pytest.raises(UserError, match=f"in micro-batches of {rows} rows.*train one block at a time"):
            together._prepared_at_once([BY_ID[name]], [reader], None)
