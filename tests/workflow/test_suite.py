"""A plain run makes the whole suite; one block can be made alone; nothing is made twice."""

import hashlib
import json
import os
import shutil

import jsonschema
import pytest
from aurorascope.files import sha256_file
from aurorascope.measures.all import ALL_KINDS

from tests.workflow.project import BLOCKS, ROOT, tiny_config

pytestmark = pytest.mark.slow
ONE = "encoder_s1_b5"
ONE_PT = f"results/saes/sae_{ONE}.pt"


def test_a_plain_run_makes_every_file_of_the_release(suite):
    """Index, weights, card, figures and digests are there, and the digests are right."""
    index = suite.record("sae_index.json")
    jsonschema.validate(index, json.loads((ROOT / "workflow/aurorascope/schemas/sae_index.schema.json").read_text()))
    assert [sae["id"] for sae in index["saes"]] == list(BLOCKS)
    assert "partial suite: 4 of 48 SAEs" in index["suite"]["flags"]
    assert index["suite"]["total_parameters"] == sum(sae["n_parameters"] for sae in index["saes"])
    lines = suite.result("SHA256SUMS").read_text().splitlines()
    for line in lines:
        digest, name = line.split("  ")
        assert hashlib.sha256(suite.result(name).read_bytes()).hexdigest() == digest
    for sae in index["saes"]:
        assert any(line.endswith(sae["filename"]) for line in lines)
        assert sae["sha256"] == hashlib.sha256(suite.result(sae["filename"]).read_bytes()).hexdigest()


def test_no_two_blocks_have_the_same_activations(suite):
    """Chunks of different blocks differ: the demo's blocks are not the identity."""
    digests = set()
    for block in BLOCKS:
        manifest = suite.record(f"scratch/activations/{block}/train/manifest.json")
        digests |= {snapshot["blake3"] for snapshot in manifest["snapshots"]}
        assert max(s["roundtrip_loss"] for s in manifest["snapshots"]) < 1e-6
    assert len(digests) == 4 * len(BLOCKS)


def test_the_checkpoint_beats_persistence(suite):
    """The demo's Aurora has learnt something: its unseen forecast error is below persistence."""
    forecast = suite.record("scratch/checkpoint/checkpoint.json")["forecast"]
    assert forecast["mse"] < forecast["persistence_mse"]


def test_records_digest_files_that_are_there_and_the_sums_name_them(suite):
    """Of every kind of record: its files under their digests, and those that are released in SHA256SUMS."""
    results = suite.path / "results"
    sums = {line.split("  ")[1] for line in (results / "SHA256SUMS").read_text().splitlines()}
    for kind in ALL_KINDS.values():
        for path in kind.found(results):
            for file, digest in kind.digests(path, json.loads(path.read_text())).items():
                assert sha256_file(file) == digest
            if kind.index_key:
                assert set(kind.released(**kind.names_in(path))) <= sums
    assert {len(ALL_KINDS[name].found(results)) for name in ("sae", "evaluation")} == {len(BLOCKS)}
    assert len(ALL_KINDS["activations"].found(results)) == 2 * len(BLOCKS) and len(ALL_KINDS["cams_day"].found(results)) == 6


def test_a_second_run_has_nothing_to_do(finished):
    """The finished suite plans no job."""
    done = finished.make()
    assert "Nothing to be done" in done.stdout + done.stderr


def test_one_block_from_nothing_makes_only_itself_and_the_same_hash(bare, suite):
    """Named alone, under another time zone and on one core, a block's SAE is the suite's.

    So are all others, and their stores byte for byte, with every store dumped alone: the suite's were filled together.
    """
    bare.make(ONE_PT, cores=1, TZ="America/Los_Angeles")
    assert bare.hashes() == {ONE: suite.hashes()[ONE]}
    stores = sorted(str(p.parent.relative_to(bare.result("scratch/activations")))
                    for p in bare.result("scratch/activations").glob("*/*/manifest.json"))
    assert stores == [f"{ONE}/train"]
    before = bare.result(f"saes/sae_{ONE}.pt").stat().st_mtime_ns
    manifests = [f"scratch/activations/{block}/{split}/manifest.json" for block in BLOCKS for split in ("train", "held_out")]
    # What is compared, and not what follows from it.
    targets = [f"results/saes/sae_{block}.pt" for block in BLOCKS] + [f"results/{name}" for name in manifests]
    done = bare.make(*targets, TZ="UTC")
    assert bare.ran(done).count("train_sae") == len(BLOCKS) - 1
    assert bare.result(f"saes/sae_{ONE}.pt").stat().st_mtime_ns == before
    assert bare.hashes() == suite.hashes()
    for name in manifests:
        assert bare.result(name).read_bytes() == suite.result(name).read_bytes()
        assert "snapshot" in bare.result(f"logs/dump_activations/{name.split('/')[2]}_train.log").read_text()


def test_jobs_only_verify_what_was_filled_together(suite):
    """`fill_activations` (which the suite was made with) leaves stores to which the dump jobs add no snapshot."""
    for block in BLOCKS:
        assert "snapshot" not in suite.result(f"logs/dump_activations/{block}_train.log").read_text()


def test_a_lost_sae_is_trained_again_by_one_job(finished, suite):
    """Its name plans one training job, and the hash is the same."""
    finished.result(f"saes/sae_{ONE}.pt").unlink()
    done = finished.make(ONE_PT)
    assert finished.ran(done) == ["train_sae"]
    assert finished.hashes() == suite.hashes()


def test_any_lost_file_of_the_release_is_noticed(finished):
    """Each file that the release names plans a job when it is gone."""
    names = [line.split("  ")[1] for line in finished.result("SHA256SUMS").read_text().splitlines()]
    kinds = {name.replace(block, "*"): name for name in names for block in BLOCKS if block in name}
    kinds |= {name: name for name in names if not any(block in name for block in BLOCKS)}
    lost = [*kinds.values(), "SHA256SUMS", "figures/training_curves.png", f"figures/blocks/{ONE}.csv"]
    lost.append(f"training/{ONE}.parquet")
    for name in lost:
        path = finished.result(name)
        content, times = path.read_bytes(), path.stat()
        path.unlink()
        assert finished.planned(), f"{name} was not missed"
        path.write_bytes(content)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert not finished.planned()
    finished.result("README.md").unlink()
    done = finished.make()
    assert "write_card" in finished.ran(done) and "train_sae" not in finished.ran(done)


def test_a_changed_download_parameter_with_outputs_missing_needs_one_run(finished):
    """Fewer levels while an SAE is missing: one invocation finishes both, nothing is removed by hand."""
    finished.result(f"saes/sae_{ONE}.pt").unlink()
    finished.result(f"scratch/activations/{ONE}/train/manifest.json").unlink()
    before, two = finished.hashes(), (ONE, BLOCKS[0])
    finished.configure(tiny_config(cams__levels=[50, 250, 500, 700, 850, 1000]))
    saes = [f"results/saes/sae_{block}.pt" for block in two]
    finished.make(*saes)
    after = finished.hashes()
    assert all(after[block] != before[block] for block in two)
    assert not finished.planned(*saes)


def test_changing_the_sae_redoes_only_training_and_what_follows(finished):
    """A new seed plans no download, no dump and no checkpoint."""
    jobs = finished.planned("--config", "sae={seed: 7}")
    assert jobs["train_sae"] == len(BLOCKS)
    assert not {"download_day", "select_states", "dump_activations", "make_checkpoint", "make_static"} & set(jobs)


def test_a_later_held_out_date_leaves_training_alone(finished):
    """More held-out days plan new days and evaluations, and no training."""
    finished.configure(tiny_config(cams__held_out={"start": "2022-06-20", "end": "2022-06-22"}))
    jobs = finished.planned()
    assert jobs["download_day"] == 1 and jobs["evaluate_sae"] == len(BLOCKS)
    assert "train_sae" not in jobs and jobs["dump_activations"] == len(BLOCKS)


@pytest.mark.long
def test_the_demo_runs_without_any_network(bare, suite):
    """In a network namespace of its own, without even loopback, one block gives the same hash."""
    import shutil
    import subprocess

    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode:
        pytest.skip("this system does not let us make a network namespace")
    from tests.workflow.project import SNAKEMAKE

    done = subprocess.run(
        ["unshare", "-rn", str(SNAKEMAKE), ONE_PT, "--cores", "2"], cwd=bare.path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert bare.hashes() == {ONE: suite.hashes()[ONE]}


def test_a_folder_without_snakemakes_memory_is_no_other_configurations(finished):
    """Only the records say then how its SAEs were trained; they are not listed under other settings."""
    shutil.rmtree(finished.path / ".snakemake" / "metadata")
    finished.configure(tiny_config(sae__seed=7))
    line = finished.fail("--dry-run")
    assert "expected SAEs of the present configuration" in line and "rm -f results/saes/sae_*_s?_b*.json" in line
    for path in finished.result("saes").glob("sae_*.json"):
        path.unlink()
    assert finished.planned()["train_sae"] == len(BLOCKS)
    finished.configure(tiny_config())
    assert "train_sae" in finished.planned()
