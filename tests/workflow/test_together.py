"""Many SAEs in one process: the same files as alone, whether activations are on disk or computed."""

import json
import os
import re
import subprocess
import sys

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

from tests.workflow.project import BLOCKS, ROOT, tiny_config

pytestmark = pytest.mark.slow


def saes(project):
    return {
        path.name: path.read_bytes() for block in BLOCKS[:3] for path in project.result("saes").glob(f"sae_{block}.*")
    }


def evaluations(project):
    return {path.name: path.read_bytes() for path in project.result("evaluation").iterdir()}


def test_stores_are_read_in_one_process_and_jobs_only_adopt(suite, tmp_path):
    """`train_together`, then the training jobs: byte for byte the suite's, and nothing else is left."""
    project = suite.copy(tmp_path / "project")
    for block in BLOCKS[:3]:
        for suffix in ("json", "pt"):
            project.result(f"saes/sae_{block}.{suffix}").unlink()
    project.make("train_together", cores=1)
    log = project.result("logs/train_together/1of1.log").read_text()
    assert f"{BLOCKS[3]} has its SAE already" in log and log.count("dead for") == 3
    assert not project.result(f"scratch/training/{BLOCKS[0]}").exists()
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
        assert made["steps"] == project.record(f"saes/sae_{block}.json")["training"]["n_steps"]
        assert "is in its place" in project.result(f"logs/train_sae/{block}.log").read_text()
    assert not list(project.result("scratch/waiting").rglob("*.*"))


def test_evaluations_in_two_processes_are_adopted(suite, tmp_path):
    """`evaluate_together` on two cores, then the jobs: the same bytes; what is damaged or there already is told from that."""
    project = suite.copy(tmp_path / "project")
    for block in BLOCKS[:3]:
        project.result(f"evaluation/{block}.json").unlink()
    project.make("evaluate_together", cores=2)
    logs = [project.result(f"logs/evaluate_together/{share}of2.log").read_text() for share in (1, 2)]
    assert f"{BLOCKS[3]} is evaluated already" in logs[1] and "2 blocks in" in logs[0]
    waiting = project.result(f"scratch/waiting/evaluation/{BLOCKS[1]}/evaluation/{BLOCKS[1]}.parquet")
    raw = waiting.read_bytes()
    waiting.write_bytes(raw[:60] + bytes([raw[60] ^ 1]) + raw[61:])
    project.make(*(f"results/evaluation/{block}.json" for block in BLOCKS))
    adopted = ["is in its place" in project.result(f"logs/evaluate_sae/{block}.log").read_text() for block in BLOCKS[:3]]
    assert adopted == [True, False, True]
    assert evaluations(project) == evaluations(suite)


@pytest.mark.parametrize("calls", [2, 1])
def test_days_in_two_processes_are_adopted(suite, tmp_path, calls):
    """`days_together` on two cores, then the jobs, or both in one call that keeps them apart: the same as of one job a day."""
    project = suite.copy(tmp_path / "project")

    def days(of):
        folder = of.result("scratch/cams")
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    records = sorted(path.name for path in project.result("scratch/cams").glob("????-??-??.json"))
    for name in records:
        project.result(f"scratch/cams/{name}").unlink()
    wanted = [f"results/scratch/cams/{name}" for name in records]
    if calls == 2:
        project.make("days_together", cores=2)
        project.make(*wanted)
    else:
        # A core is free for the days' own jobs while the shares are at work.
        project.make("days_together", *wanted, "--resources", "days=1000", cores=7)
    assert not list(project.result("scratch/waiting").glob("*.done"))
    logs = [project.result(f"logs/download_day/{name[:10]}.log").read_text() for name in records]
    assert len(logs) == 6 and all("is in its place" in log for log in logs)
    assert days(project) == days(suite)


def test_adopting_imports_no_torch(suite, tmp_path):
    """With torch, NumPy and pandas made impossible to import, the training and the evaluation job put files in place."""
    project, block = suite.copy(tmp_path / "project"), BLOCKS[0]
    for path in (f"saes/sae_{block}.json", f"evaluation/{block}.json"):
        project.result(path).unlink()
    project.make("train_together", cores=1)
    resolved = max((project.path / ".snakemake/aurorascope").glob("config-*.json"), key=os.path.getmtime)

    def run(words):
        code = (
            "import sys\nfor name in ('torch', 'aurora', 'numpy', 'zarr', 'xarray', 'pandas'): sys.modules[name] = None\n"
            f"from aurorascope.__main__ import main\nsys.exit(main('{words}'.split()))"
        )
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "AURORASCOPE_CONFIG": str(resolved)}
        done = subprocess.run([sys.executable, "-c", code], cwd=project.path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    stores = f"results/scratch/activations/{block}"
    run(f"train_sae --block {block} --manifest {stores}/train/manifest.json --results results")
    assert project.result(f"saes/sae_{block}.json").read_bytes() == suite.result(f"saes/sae_{block}.json").read_bytes()
    project.make("evaluate_together", cores=1)
    run(
        f"evaluate_sae --sae results/saes/sae_{block}.json --train {stores}/train/manifest.json "
        f"--held-out {stores}/held_out/manifest.json --states results/scratch/states/held_out.json "
        f"--record results/evaluation/{block}.json"
    )
    assert evaluations(project) == evaluations(suite)


def test_one_forward_a_snapshot_and_epoch_serves_all_blocks(checkpoint_project, suite, tmp_path):
    """Live: the same SAEs, and as many forwards as one block alone would need."""
    project = checkpoint_project.copy(tmp_path / "live")
    config = tiny_config()
    project.configure({**config, "activations": {"mode": "live"}, "blocks": list(BLOCKS[:3])})
    project.make("fill_activations", cores=1)
    project.make("train_together", cores=1)
    log = project.result("logs/train_together/1of1.log").read_text()
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
