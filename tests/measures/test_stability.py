"""From a store and a released SAE to the record of other seeds, and back from a kill."""

import dataclasses
import json
import os

import numpy as np
import pandas as pd
import pytest
import torch
from aurorascope.activations.feed import ResidentFeed
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.files import sha256_file
from aurorascope.measures.stability.formulas import STABILITY_FORMULAS
from aurorascope.measures.stability.measure import measure
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.digest import tensor_digest
from aurorascope.training.export import export
from aurorascope.training.trainer import Trainer
from tiny import BLOCK, claim, make_store

from tests.config.raw import typed
from tests.trained import train

CPU = torch.device("cpu")
RAW = {"cams": {"train": {"start": "2022-06-03", "end": "2022-06-06"}, "held_out": {"dates": ["2022-06-20", "2022-06-21"]}}}
SAES = {
    "card": {"epochs": 20, "lr": 4e-3, "seed": 4},
    "abstopk": {"epochs": 20, "lr": 4e-3, "architecture": "abstopk", "target_l0": 3, "normalise": True},
}


def trained_with(config, feed, seed):
    sae = dataclasses.replace(config.sae, seed=seed)
    return train(feed, BY_ID[BLOCK], sae).weights


class Project:
    """Stores and a released SAE in a folder."""

    def __init__(self, folder, sae):
        self.folder, self.scratch = folder, folder / "scratch"
        self.config = typed({**RAW, "sae": {"expansion": 4, **sae}, "evaluation": {"stability": {"seeds": 3}}})
        stores = self.scratch / "activations" / BLOCK
        self.train = make_store(stores / "train", claim(range(3, 7)))
        self.held_out = make_store(stores / "held_out", claim((20, 21), split="held_out"))
        self.feed = ResidentFeed(StoreReader(self.train), CPU)
        trained = train(self.feed, BY_ID[BLOCK], self.config.sae)
        export(self.config, BY_ID[BLOCK], trained, self.feed.reader, folder)
        self.sae = folder / "saes" / f"sae_{BLOCK}.json"

    def measure(self, name="stability", config=None):
        out = self.folder / name / "summary.json"
        measure(config or self.config, self.sae, self.train, self.held_out, out, CPU, self.scratch)
        return json.loads(out.read_text()), out


@pytest.fixture(scope="module", params=SAES)
def project(request, tmp_path_factory):
    return Project(tmp_path_factory.mktemp(request.param), SAES[request.param])


def test_record_says_how_alike_the_seeds_are(project):
    """The seeds are those after the configured one, trained as it was; figures follow from their weights in a few lines."""
    record, out = project.measure()
    seed, signed = project.config.sae.seed, project.config.sae.architecture == "abstopk"
    weights = [trained_with(project.config, project.feed, seed + i) for i in range(3)]
    assert record["seeds"] == [seed, seed + 1, seed + 2] and record["tensor_sha256"] == [tensor_digest(w) for w in weights]
    x = torch.from_numpy(StoreReader(project.held_out).read().reshape(-1, 6).astype(np.float32))
    with torch.inference_mode():
        alive = [np.flatnonzero((AuroraSAE.from_tensors(w).encode(x) != 0).any(0).numpy()) for w in weights]
    assert record["n_alive"] == [len(of) for of in alive] and min(record["n_alive"]) > 2
    table = pd.read_parquet(out.with_name("matches.parquet"))
    assert sha256_file(out.with_name("matches.parquet")) == record["table_sha256"]
    for pair in record["pairs"]:
        a, b = (seed_ - seed for seed_ in pair["seeds"])
        rows = table[(table["seed_a"] == a + seed) & (table["seed_b"] == b + seed)]
        assert set(rows["feature_a"]) <= set(alive[a]) and rows["feature_b"].is_unique
        unit = [w["W_dec"].double().numpy() for w in (weights[a], weights[b])]
        unit = [rows_ / np.linalg.norm(rows_, axis=1, keepdims=True) for rows_ in unit]
        cosine = (unit[0][rows["feature_a"]] * unit[1][rows["feature_b"]]).sum(1)
        assert rows["cosine"].to_numpy() == pytest.approx(np.abs(cosine) if signed else cosine, abs=1e-9)
        assert pair["n_matched"] == len(rows) == min(len(alive[a]), len(alive[b]))
        assert pair["mcc"] == pytest.approx(rows["cosine"].mean())
    assert record["metrics"]["pw_mcc"] == pytest.approx(np.mean([pair["mcc"] for pair in record["pairs"]]))
    assert set(record["metrics"]) == set(record["formula_ids"]) == set(STABILITY_FORMULAS)
    assert None not in record["metrics"].values()


def test_nothing_of_other_seeds_is_left_and_again_gives_the_same_bytes(project):
    """No checkpoint stays behind, and the record and table of a second measurement are the first's."""
    _, out = project.measure()
    assert not any((project.scratch / "training").iterdir())
    _, again = project.measure("again")
    for name in ("summary.json", "matches.parquet"):
        assert again.with_name(name).read_bytes() == out.with_name(name).read_bytes()


def test_a_stopped_measurement_goes_on(tmp_path, monkeypatch):
    """Stopped in the second of two trainings: the first is not trained again, and the bytes are those of one go."""
    project = Project(tmp_path, SAES["card"])
    expected = project.measure("whole")[1].read_bytes()
    steps, step = [], Trainer.step

    def stop_at(n):
        def stepping(self, *args):
            steps.append(self.config.seed)
            step(self, *args)
            if len(steps) == n:
                os.kill(os.getpid(), 15)

        return stepping

    monkeypatch.setattr(Trainer, "step", stop_at(100))
    with pytest.raises(SystemExit, match="143"):
        project.measure()
    assert not (tmp_path / "stability" / "summary.json").exists()
    assert steps == [5] * 80 + [6] * 20
    assert project.measure()[1].read_bytes() == expected
    assert steps == [5] * 80 + [6] * 80


def test_what_does_not_belong_together_is_refused(project):
    """Other seeds are trained with the present configuration; an SAE of another one is no seed of theirs."""
    other = dataclasses.replace(project.config, sae=dataclasses.replace(project.config.sae, epochs=3))
    with pytest.raises(UserError, match=f"rm -f .*sae_{BLOCK}.json"):
        project.measure("other", other)
    weights = project.sae.with_suffix(".pt")
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + b"x")
    with pytest.raises(UserError, match="sha256"):
        project.measure("other")
    weights.write_bytes(good)
