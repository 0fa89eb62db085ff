"""One training as a job: resumed, kept for a later job, and exported by one that does no step."""

import dataclasses
import json
import shutil

import pytest
import torch
from aurorascope.activations.feed import ResidentFeed
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.sae.digest import tensor_digest
from aurorascope.training.finished import training_folder
from aurorascope.training.job import TrainingJob, train_sae
from aurorascope.training.together import Together
from tiny import BLOCK, claim, make_store

from tests.config.raw import typed
from tests.trained import train

CPU, N_STEPS = torch.device("cpu"), 20
RAW = {
    "cams": {"train": {"start": "2022-06-03", "end": "2022-06-06"}, "held_out": {"dates": ["2022-06-20"]}},
    "sae": {"expansion": 4, "epochs": 5, "lr": 4e-3},
}
CONFIG = typed(RAW)


@pytest.fixture
def manifest(tmp_path):
    return make_store(tmp_path / "scratch" / "activations" / BLOCK / "train", claim(range(3, 7)))


@pytest.fixture
def straight(manifest):
    """The SAE of a training without a folder."""
    return train(ResidentFeed(StoreReader(manifest), CPU), BY_ID[BLOCK], CONFIG.sae)


def job_of(manifest, config=CONFIG):
    reader = StoreReader(manifest)
    return TrainingJob(config, BY_ID[BLOCK], reader, training_folder(reader.paths.scratch, BLOCK), CPU)


def chunks_of(manifest):
    return manifest.parent / "store.zarr" / "activation" / "c"


def test_a_kept_training_is_resumed_without_a_step_or_its_activations(manifest, straight):
    """The second job gives the same weights and log; what the first did is not what the second was made with."""
    trained, made_with = job_of(manifest).run(keep=True)
    assert tensor_digest(trained.weights) == tensor_digest(straight.weights)
    assert made_with["steps"] == N_STEPS and made_with["rows_per_s"] > 0
    shutil.rmtree(chunks_of(manifest))
    again, here = job_of(manifest).run(keep=True)
    assert tensor_digest(again.weights) == tensor_digest(straight.weights) and again.log.equals(straight.log)
    assert here == {"device": made_with["device"]}


def test_a_training_that_is_not_kept_leaves_no_checkpoint(manifest):
    """It lasts less than the least time between two, and its weights are all that is wanted."""
    job = job_of(manifest)
    job.run()
    assert not job.checkpoint.path.exists()


def test_a_shared_feed_is_the_one_that_is_read(manifest, straight):
    """Jobs of several seeds take their activations from memory: the chunks may be gone by then."""
    feed = ResidentFeed(StoreReader(manifest), CPU)
    shutil.rmtree(chunks_of(manifest))
    assert tensor_digest(job_of(manifest).run(feed)[0].weights) == tensor_digest(straight.weights)


def test_another_seed_is_another_training(manifest):
    """A checkpoint of one seed is set aside by the job of another."""
    job_of(manifest).run(keep=True)
    other = job_of(manifest, dataclasses.replace(CONFIG, sae=dataclasses.replace(CONFIG.sae, seed=1)))
    assert other.run()[1]["steps"] == N_STEPS
    assert other.checkpoint.path.with_suffix(".safetensors.aside").is_file()


def test_an_export_after_a_kept_training_takes_no_gpu(manifest, tmp_path, straight):
    """Where a step remains the configured device is needed; where none does, the CPU writes the files."""
    config = typed({**RAW, "aurora": {"device": "cuda"}})
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="CUDA"):
            train_sae(config, BY_ID[BLOCK], manifest, tmp_path)
    job = job_of(manifest, config)
    job.run(keep=True)
    train_sae(config, BY_ID[BLOCK], manifest, tmp_path)
    record = json.loads((tmp_path / "saes" / f"sae_{BLOCK}.json").read_text())
    made_with = json.loads((tmp_path / "training" / f"{BLOCK}.provenance.json").read_text())
    assert record["tensor_sha256"] == tensor_digest(straight.weights) and "steps" not in made_with
    assert not job.checkpoint.folder.exists()


def test_what_is_trained_together_its_own_job_exports(tmp_path, caplog):
    """The SAE's files are those of its own training alone; a block whose store is damaged keeps no other from its end."""
    other, written = "encoder_s2_b1", {}
    for folder in ("alone", "together"):
        stores = tmp_path / folder / "scratch" / "activations"
        manifest = make_store(stores / BLOCK / "train", claim(range(3, 7)))
        damaged = make_store(stores / other / "train", claim(range(3, 7), block_id=other))
        if folder == "together":
            shutil.rmtree(chunks_of(damaged))
            together = Together(CONFIG, tmp_path / folder, CPU)
            with pytest.raises(UserError, match=f"in all 1 of 2 blocks: {other}"):
                together.train([BY_ID[other], BY_ID[BLOCK]])
            assert not (tmp_path / folder / "saes").exists()
        train_sae(CONFIG, BY_ID[BLOCK], manifest, tmp_path / folder)
        written[folder] = {path.name: path.read_bytes() for path in (tmp_path / folder / "saes").iterdir() if path.is_file()}
    assert written["together"] == written["alone"] and len(written["alone"]) == 2
    caplog.set_level("INFO")
    together.train([BY_ID[BLOCK]])
    assert f"{BLOCK} has its SAE already." in caplog.messages
