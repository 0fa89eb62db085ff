"""A second SAE trained on what the first leaves out, weighted to a label, resumed, and written."""

import dataclasses
import json
import os

import numpy as np
import pytest
import torch
from aurorascope.activations.reader import StoreReader
from aurorascope.boosting.export import BoostFiles
from aurorascope.boosting.opening import open_boosted
from aurorascope.boosting.train import boost_sae
from aurorascope.errors import UserError
from aurorascope.files import sha256_file
from aurorascope.records import KINDS
from aurorascope.training.trainer import Trainer
from safetensors.torch import load_file

from tests.boosting.folder import BLOCK, CPU, DAYS, LABEL, N_UNDER, under, write_labels

# Of 1,728 rows, 64 at a time.
N_STEPS = 27
FILES = (f"sae_{BLOCK}.pt", f"sae_{BLOCK}.json", f"golden/{BLOCK}.safetensors", f"training/{BLOCK}.parquet")


def boost(folder, **changes):
    """Train with these changes of the section; returns the record."""
    boost_sae(folder.boosted(**changes), folder.block, folder.results, CPU)
    return json.loads((folder.results / "boosts" / f"sae_{BLOCK}.json").read_text())


def contents(folder):
    return {name: (folder.results / "boosts" / name).read_bytes() for name in FILES}


def explained_under(folder):
    """FVE about their own mean of held-out tokens under the label, and of the others: of the first SAE and of both."""
    boosted, *_ = open_boosted(folder.results, BLOCK)
    x = torch.from_numpy(StoreReader(folder.store("held_out")).read())
    under_sn = np.stack([np.broadcast_to(under(day), (4, 6, 12)).reshape(-1) for day in DAYS["held_out"]])
    found = []
    with torch.inference_mode():
        for x_hat in (boosted.first(x)[0], boosted(x)[0]):
            for rows in (under_sn, ~under_sn):
                part, error = x[rows].double(), (x - x_hat)[rows].double()
                found.append(1 - float(error.square().sum() / (part - part.mean(0)).square().sum()))
    return found


def test_files_are_those_of_the_record_and_the_first_is_not_touched(folder):
    """Weights, golden vectors and log have the record's digests; the boost opens, and meets them; the first SAE's files stay."""
    before = {path: sha256_file(path) for path in (folder.results / "saes").rglob("*") if path.is_file()}
    record = boost(folder, target_l0=1.0, epochs=2)
    path = folder.results / "boosts" / f"sae_{BLOCK}.json"
    for file, digest in KINDS["boost"].digests(path, record).items():
        assert sha256_file(file) == digest
    assert {path: sha256_file(path) for path in before} == before
    boosted, sae, _ = open_boosted(folder.results, BLOCK)
    boosted.check(load_file(folder.results / "boosts" / "golden" / f"{BLOCK}.safetensors"))
    assert record["of"] == sae["sha256"] and int(boosted.second.k) == 1 and record["training"]["epochs"] == 2
    assert (record["label"], record["n_label_tokens"], record["labels_sha256"]) == (None, None, None)
    assert not list((folder.results / "scratch" / "training").rglob("*.safetensors"))
    assert {path.name for path in (folder.results / "boosts").rglob("*") if "partial" in path.name} == set()


def test_rare_tokens_are_explained_better_where_they_weigh_more(folder):
    """A direction that few tokens have: the first SAE misses it; both explain more of these tokens with their weight than without."""
    found = {}
    for weight in (1.0, 30.0):
        record = boost(folder, target_l0=1.0, expansion=1, epochs=20, label=LABEL, label_weight=weight)
        assert record["n_label_tokens"] == N_UNDER * 6
        found[weight] = explained_under(folder)
    (first, usual, plain, plain_usual), (_, _, weighted, weighted_usual) = found[1.0], found[30.0]
    assert weighted > plain + 0.04 > first + 0.2
    # The others gain, too, but less.
    assert usual < weighted_usual < plain_usual


def test_a_weight_of_one_has_the_bits_of_no_label(folder):
    """The label is then for the evaluation alone."""
    digest = boost(folder, epochs=2)["tensor_sha256"]
    assert boost(folder, epochs=2, label=LABEL, label_weight=1.0)["tensor_sha256"] == digest
    assert boost(folder, epochs=2, label=LABEL, label_weight=2.0)["tensor_sha256"] != digest


@pytest.mark.parametrize(("error", "mutual"), [(KeyboardInterrupt, 0.0), (None, 0.0), (KeyboardInterrupt, 0.3)], ids=["killed", "stopped", "two, killed"])
def test_a_broken_training_goes_on_to_the_same_bytes(folder, monkeypatch, error, mutual):
    """Dead between two steps, each of which leaves a checkpoint, or asked to stop: no step is done twice, nor one too few."""
    changes = {"epochs": 3, "label": LABEL}
    folder.config = dataclasses.replace(folder.config, sae=dataclasses.replace(folder.config.sae, mutual_weight=mutual))
    boost(folder, **changes)
    expected, steps, step = contents(folder), [], Trainer.step
    for name in FILES:
        (folder.results / "boosts" / name).unlink()
    folder.config = dataclasses.replace(folder.config, sae=dataclasses.replace(folder.config.sae, checkpoint_minutes=1e-9))

    def broken(self, *args):
        if len(steps) == 30 and error is not None and self.t == 30 and steps.append(None) is None:
            raise error
        step(self, *args)
        steps.append(self.t)
        if len(steps) == 30 and error is None:
            os.kill(os.getpid(), 15)

    monkeypatch.setattr(Trainer, "step", broken)
    with pytest.raises(error or SystemExit):
        boost(folder, **changes)
    assert not (folder.results / "boosts" / FILES[1]).exists()
    boost(folder, **changes)
    assert contents(folder) == expected and [t for t in steps if t] == list(range(1, 3 * N_STEPS + 1))


def test_a_checkpoint_of_other_masks_is_set_aside(folder, monkeypatch):
    """Masks are data of the training: with others it begins anew."""
    step = Trainer.step

    def stop(self, *args):
        step(self, *args)
        os.kill(os.getpid(), 15)

    with monkeypatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(Trainer, "step", stop)
        boost(folder, epochs=2, label=LABEL)
    write_labels(folder.results, 5, np.kron(under(4), np.ones((3, 3), bool)))
    boost(folder, epochs=2, label=LABEL)
    assert list((folder.results / "scratch" / "training").rglob("*.aside"))


def test_what_does_not_belong_together_is_refused(folder):
    """Before a step: a first SAE of another store, altered weights, a target that the second cannot have, a label over nothing."""
    with pytest.raises(UserError, match=r"sae.boost.target_l0: expected at most half of the 512 latents"):
        boost(folder, target_l0=300.0, expansion=1)
    boost(folder, epochs=1)
    record = folder.results / "saes" / f"sae_{BLOCK}.json"
    content = json.loads(record.read_text())
    weights = record.with_suffix(".pt")
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + b"x")
    with pytest.raises(UserError, match="sha256"):
        boost(folder)
    weights.write_bytes(good)
    record.write_text(json.dumps({**content, "sha256": sha256_file(weights), "activations_manifest_sha256": "0" * 64}))
    with pytest.raises(UserError, match="an SAE with activations_manifest_sha256"):
        boost(folder)
    boosts = folder.results / "boosts" / f"sae_{BLOCK}.json"
    boosts.write_text(json.dumps({**json.loads(boosts.read_text()), "of": "0" * 64}))
    record.write_text(json.dumps(content))
    with pytest.raises(UserError, match="expected 'of' .*, as the record of kind sae says"):
        open_boosted(folder.results, BLOCK)


def test_what_kills_leave_is_swept(folder):
    files = BoostFiles(folder.results, BLOCK)
    files.weights.parent.mkdir(exist_ok=True)
    left = files.weights.with_name(f".{files.weights.name}.abcd1234.partial")
    left.touch()
    boost(folder, epochs=1)
    assert not left.exists()
