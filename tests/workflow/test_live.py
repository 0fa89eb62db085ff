"""Activations that are not kept: computed again by whoever needs them, the same bytes, and nothing retrains."""

import json
import os
import subprocess
import sys

import pytest
from aurorascope.cams.states import open_states, write_states

from tests.workflow.project import BLOCKS, tiny_config

pytestmark = pytest.mark.slow
LIVE = {"activations": {"mode": "live"}}
CHUNKS = "store.zarr/activation/c"


def chunks(project, block):
    """Chunk files of a block, both splits."""
    folder = project.result(f"scratch/activations/{block}")
    return [path for path in folder.rglob("*") if CHUNKS in str(path) and path.is_file()]


@pytest.fixture(scope="module")
def live(checkpoint_project, tmp_path_factory):
    """Two blocks made without chunks: one by its own jobs, one by the fill."""
    project = checkpoint_project.copy(tmp_path_factory.mktemp("live") / "project")
    project.configure({**tiny_config(), **LIVE, "blocks": [BLOCKS[2]]})
    project.make("fill_activations", cores=1)
    project.make(f"results/evaluation/{BLOCKS[2]}.json", f"results/evaluation/{BLOCKS[1]}.json")
    return project


def test_live_and_dumped_suites_are_the_same(live, suite):
    """Manifests, weights and evaluations, byte for byte; and no chunk was ever written."""
    for block in BLOCKS[1:3]:
        assert chunks(live, block) == []
        for name in (f"saes/sae_{block}.pt", f"saes/sae_{block}.json", f"evaluation/{block}.json"):
            assert live.result(name).read_bytes() == suite.result(name).read_bytes(), name
        for split in ("train", "held_out"):
            name = f"scratch/activations/{block}/{split}/manifest.json"
            assert live.result(name).read_bytes() == suite.result(name).read_bytes(), name


@pytest.mark.soak
def test_live_and_dumped_saes_of_every_stage_are_the_same(checkpoint_project, tmp_path):
    """One block a stage, dumped and live: the same weights, by sha256."""
    blocks = [f"{component}_s{stage}_b3" for component in ("encoder", "decoder") for stage in range(3)]
    hashes = []
    for mode in ("dump", "live"):
        project = checkpoint_project.copy(tmp_path / mode)
        project.configure({**tiny_config(), "activations": {"mode": mode}, "blocks": blocks})
        project.make("fill_activations", cores=1)
        project.make(*(f"results/saes/sae_{block}.pt" for block in blocks))
        assert all(bool(chunks(project, block)) == (mode == "dump") for block in blocks)
        hashes.append(project.hashes())
    assert set(hashes[0]) == set(blocks) and hashes[0] == hashes[1]
    print(hashes[0])


def test_another_mode_makes_nothing_look_out_of_date(live):
    """Dump after live, live after dump: what is finished stays finished."""
    live_again = live.copy(live.path.parent / "again")
    live_again.configure({**tiny_config(), "blocks": [BLOCKS[2]]})
    assert live_again.planned(f"results/evaluation/{BLOCKS[2]}.json") == {}


def test_a_snapshot_that_comes_out_otherwise_is_refused(live):
    """Another state under the same name: the digest of the recomputed snapshot tells."""
    project = live.copy(live.path.parent / "altered")
    folder = project.result("scratch/cams")
    day = open_states(folder, ["2022-06-02T00:00:00Z", "2022-06-02T12:00:00Z"])
    write_states(day.assign(t2m=day["t2m"] + 1), folder / "2022-06-02.zarr")
    project.result(f"saes/sae_{BLOCKS[2]}.json").unlink()
    line = project.fail(f"results/saes/sae_{BLOCKS[2]}.json")
    assert "recomputed snapshot of 2022-06-02T12:00:00Z" in line and line.count("blake3") == 2
    assert f"rm -f results/scratch/activations/{BLOCKS[2]}/train/manifest.json" in line


def test_another_device_is_compared_by_moments_and_flagged(live):
    """The store says that it was made on a GPU: the recomputed snapshots are near enough, and the SAE says so."""
    project = live.copy(live.path.parent / "device")
    for split in ("train", "held_out"):
        path = project.result(f"scratch/activations/{BLOCKS[1]}/{split}/provenance.json")
        path.write_text(json.dumps({**json.loads(path.read_text()), "device": "NVIDIA H200"}))
    before = project.hashes()[BLOCKS[1]]
    project.result(f"saes/sae_{BLOCKS[1]}.json").unlink()
    project.make(f"results/saes/sae_{BLOCKS[1]}.json")
    made = project.record(f"training/{BLOCKS[1]}.provenance.json")
    assert made["activations_recomputed_on"].startswith("cpu")
    # On the very same machine the values are the same after all.
    assert project.hashes()[BLOCKS[1]] == before


def test_a_changed_precision_is_not_recomputed_as_the_old_one(live):
    project = live.copy(live.path.parent / "precision")
    project.configure({**tiny_config(), "activations": {"mode": "live", "dtype": "float32"}, "blocks": [BLOCKS[2]]})
    assert "dump_activations" in project.planned(f"results/saes/sae_{BLOCKS[2]}.json")


@pytest.fixture(scope="module")
def dropped(suite, tmp_path_factory):
    project = suite.copy(tmp_path_factory.mktemp("dropped") / "project")
    project.configure({**tiny_config(), "activations": {"keep": False}})
    done = project.make()
    assert project.ran(done).count("drop_chunks") == len(BLOCKS)
    assert not {"train_sae", "evaluate_sae", "dump_activations"} & set(project.ran(done))
    return project


def test_dropping_deletes_chunks_alone_and_nothing_looks_out_of_date(dropped, suite):
    for block in BLOCKS:
        assert chunks(dropped, block) == []
        assert chunks(suite, block)
        record = dropped.record(f"dropped/{block}.json")
        assert record["splits"]["train"]["chunks"] == 4
    assert dropped.planned() == {}
    assert dropped.hashes() == suite.hashes()
    done = dropped.make("fill_activations", cores=1)
    assert all(chunks(dropped, block) == [] for block in BLOCKS)
    assert done.returncode == 0


def test_one_block_by_its_name_is_dumped_and_dropped_alone(checkpoint_project, tmp_path):
    """From nothing, all that reads its stores and nothing of another block."""
    project = checkpoint_project.copy(tmp_path / "project")
    project.configure({**tiny_config(), "activations": {"keep": False}})
    planned = project.planned(f"results/dropped/{BLOCKS[0]}.json")
    assert {rule: n for rule, n in planned.items() if rule in ("dump_activations", "train_sae", "evaluate_sae", "drop_chunks")} == {
        "dump_activations": 2, "train_sae": 1, "evaluate_sae": 1, "drop_chunks": 1,
    }


def test_later_readers_compute_again_and_nothing_retrains(dropped, suite):
    """A lost evaluation is made again, from Aurora; a lost SAE too; both as they were."""
    project = dropped.copy(dropped.path.parent / "later")
    block = BLOCKS[1]
    project.result(f"evaluation/{block}.json").unlink()
    done = project.make(f"results/evaluation/{block}.json")
    assert project.ran(done) == ["evaluate_sae"]
    project.result(f"saes/sae_{block}.pt").unlink()
    done = project.make(f"results/saes/sae_{block}.pt")
    assert project.ran(done) == ["train_sae"]
    for name in (f"evaluation/{block}.json", f"saes/sae_{block}.pt"):
        assert project.result(name).read_bytes() == suite.result(name).read_bytes()
    assert chunks(project, block) == []


def test_a_dropped_store_can_be_had_back(dropped, suite):
    """With a lost manifest and a damaged label the dump job computes the store anew, chunks and all."""
    project = dropped.copy(dropped.path.parent / "back")
    folder = project.result(f"scratch/activations/{BLOCKS[1]}/train")
    (folder / "manifest.json").unlink()
    (folder / "moments.safetensors").write_bytes(b"damaged")
    project.configure(tiny_config())
    project.make(f"results/scratch/activations/{BLOCKS[1]}/train/manifest.json", cores=1)
    assert len(chunks(project, BLOCKS[1])) == 4
    name = f"scratch/activations/{BLOCKS[1]}/train/manifest.json"
    assert project.result(name).read_bytes() == suite.result(name).read_bytes()


def test_rows_across_the_year_need_the_year(suite):
    line = suite.fail("--config", "activations={mode: live}", "sae={shuffle: rows}")
    assert "sae.shuffle" in line and "activations.mode" in line


def test_a_store_of_another_precision_is_refused_by_hand_too(suite, tmp_path):
    """The verb run without Snakemake, with a configuration that the store was not made with."""
    project = suite.copy(tmp_path / "project")
    project.configure(tiny_config(activations__dtype="float32"))
    project.planned()
    config = max((project.path / ".snakemake/aurorascope").glob("config-*.json"), key=lambda path: path.stat().st_mtime)
    manifest = f"results/scratch/activations/{BLOCKS[1]}/train/manifest.json"
    done = subprocess.run(
        [sys.executable, "-m", "aurorascope", "train_sae", "--block", BLOCKS[1], "--manifest", manifest,
         "--results", "results"],
        cwd=project.path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(project.path / "workflow"), "AURORASCOPE_CONFIG": str(config)},
    )
    assert done.returncode == 1
    line = done.stderr.strip().splitlines()[-1]
    assert manifest in line and "expected" in line and f"rm -f {manifest} && snakemake" in line
    assert project.hashes() == suite.hashes()
