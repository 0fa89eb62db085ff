"""`snakemake results/reproduced/<block>.json`: says identical, or what differs, and leaves the published SAE alone."""

import itertools
import json

import pytest
import torch

from tests.workflow.project import BLOCKS, tiny_config

pytestmark = pytest.mark.slow
BLOCK = BLOCKS[1]
STAGES = tuple(f"{component}_s{stage}_b3" for component in ("encoder", "decoder") for stage in range(3))


def target(block):
    return f"results/reproduced/{block}.json"


def published(project):
    return {path.name: path.read_bytes() for path in project.result("saes").glob("sae_*")}


def intervals(project, rule):
    """Start and end of a rule's jobs, as Snakemake noted them, by time."""
    records = [json.loads(p.read_text()) for p in (project.path / ".snakemake/metadata").rglob("*") if p.is_file()]
    return sorted({(r["starttime"], r["endtime"]) for r in records if r["rule"] == rule})


@pytest.fixture(scope="module")
def reproduced(suite, tmp_path_factory):
    """The suite with one block of each of its stages trained again, on two cores and one pretended GPU."""
    project = suite.copy(tmp_path_factory.mktemp("reproduced") / "project")
    project.configure(tiny_config(aurora__device="auto"))
    project.done = project.make(*map(target, BLOCKS), CUDA_VISIBLE_DEVICES="99")
    return project


def test_every_stage_comes_out_the_same(reproduced, suite):
    """Four verdicts, nothing else made, nothing left; a second call has nothing to do."""
    for block in BLOCKS:
        assert reproduced.record(f"reproduced/{block}.json")["verdict"] == "identical"
    assert set(reproduced.ran(reproduced.done)) == {"reproduce_sae"}
    assert published(reproduced) == published(suite)
    assert not any(path.is_dir() for path in reproduced.result("reproduced").iterdir())
    assert not reproduced.planned(*map(target, BLOCKS), CUDA_VISIBLE_DEVICES="99")


def test_jobs_that_ask_for_a_gpu_wait_for_one(reproduced):
    """With one GPU to be seen, two cores and four such jobs, no two ran at the same time."""
    found = intervals(reproduced, "reproduce_sae")
    assert len(found) == len(BLOCKS)
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(found))


def test_an_altered_weight_fails(reproduced, tmp_path):
    """The published file alone was changed: the reproduction runs again and names the tensor and the distance."""
    project = reproduced.copy(tmp_path / "project")
    file = project.result(f"saes/sae_{BLOCK}.pt")
    weights = torch.load(file, weights_only=True)
    weights["W_dec"][2, 5] += 0.5
    torch.save(weights, file)
    altered = file.read_bytes()
    line = project.fail(target(BLOCK))
    assert f"results/saes/sae_{BLOCK}.pt" in line and "found W_dec that differs by up to 0.5, relatively by up to" in line
    assert not project.result(f"reproduced/{BLOCK}.json").exists()
    assert project.result(f"reproduced/{BLOCK}/sae_{BLOCK}.pt").is_file() and file.read_bytes() == altered


def test_an_altered_setting_fails(reproduced):
    """When it is planned, before anything is made; what was reproduced stays."""
    line = reproduced.fail(target(BLOCK), "--config", "sae={lr: 0.001}")
    assert line.startswith("config key sae.lr: expected 0.0004, with which results/saes/") and "found 0.001" in line
    manifest = reproduced.result(f"scratch/activations/{BLOCK}/train/manifest.json")
    before = manifest.read_bytes()
    line = reproduced.fail(target(BLOCK), "--config", "cams={levels: [500, 850, 1000]}")
    assert line.startswith("config key cams.levels: expected [50, ") and "found [500, 850, 1000]" in line
    assert reproduced.result(f"reproduced/{BLOCK}.json").is_file() and manifest.read_bytes() == before


def test_an_altered_chunk_fails(reproduced, tmp_path):
    """The file of the store is named, with the command that makes it again."""
    project = reproduced.copy(tmp_path / "project")
    chunk = project.result(f"scratch/activations/{BLOCK}/train/store.zarr/activation/c/1/0/0/0/0")
    raw = bytearray(chunk.read_bytes())
    raw[50] ^= 1
    chunk.write_bytes(raw)
    project.result(f"reproduced/{BLOCK}.json").unlink()
    line = project.fail(target(BLOCK))
    assert "activation/c/1/0/0/0/0: expected blake3" in line and "manifest.json" in line
    assert published(project) == published(reproduced)


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["dump", "live"])
def test_one_block_of_each_of_the_six_stages_comes_out_the_same(checkpoint_project, tmp_path, mode):
    """Trained from stores, or from snapshots that Aurora computes again."""
    project = checkpoint_project.copy(tmp_path / "project")
    project.configure(tiny_config(blocks=list(STAGES), activations={"mode": mode}))
    project.make("fill_activations", cores=1)
    project.make(*(f"results/saes/sae_{block}.pt" for block in STAGES))
    project.make(*map(target, STAGES))
    assert all(project.record(f"reproduced/{block}.json")["identical"] for block in STAGES)
