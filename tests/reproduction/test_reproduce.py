"""A block trained again from the same store: the same tensors, or a line that says what differs."""

import copy
import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from aurorascope.activations.feed import ResidentFeed
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.config.stages import RECIPES
from aurorascope.errors import UserError
from aurorascope.files import write_json
from aurorascope.reproduction import reproduce as module
from aurorascope.reproduction.compare import compare_weights, explained
from aurorascope.reproduction.published import Published
from aurorascope.reproduction.reproduce import reproduce
from aurorascope.training.checkpoint import Checkpoint
from aurorascope.training.export import export, write_weights
from tiny import BLOCK, claim, digest, make_store

from tests.config.raw import put, typed
from tests.trained import train

CPU = torch.device("cpu")
RAW = {"cams": {"train": {"start": "2022-06-03", "end": "2022-06-06"}, "held_out": {"dates": ["2022-06-20"]}}}


def config_of(**sae):
    return typed({**RAW, "sae": {"expansion": 4, "epochs": 20, "lr": 4e-3, **sae}})


class Results:
    """A store, an SAE trained on it, and where a second one goes."""

    def __init__(self, folder):
        self.folder, self.config = folder, config_of()
        self.manifest = folder / "scratch" / "activations" / BLOCK / "train" / "manifest.json"
        self.record = folder / "saes" / f"sae_{BLOCK}.json"
        self.weights = self.record.with_suffix(".pt")
        self.verdict = folder / "reproduced" / f"{BLOCK}.json"
        self.left = folder / "reproduced" / BLOCK

    def make(self):
        make_store(self.manifest.parent, claim(range(3, 7)))
        reader = StoreReader(self.manifest)
        trained = train(ResidentFeed(reader, CPU), BY_ID[BLOCK], self.config.sae)
        export(self.config, BY_ID[BLOCK], trained, reader, self.folder)
        return self

    def reproduce(self, config=None, against=None):
        reproduce(config or self.config, Published.of(against or self.folder, BLOCK), self.manifest, self.folder, CPU)
        return json.loads(self.verdict.read_text())

    def refuse(self, **options):
        with pytest.raises(UserError) as refused:
            self.reproduce(**options)
        assert not self.verdict.exists()
        return refused.value.one_line()

    def change_record(self, **values):
        self.record.write_text(json.dumps({**json.loads(self.record.read_text()), **values}))

    def made_on(self, device):
        path = self.folder / "training" / f"{BLOCK}.provenance.json"
        path.write_text(json.dumps({"device": device, "packages": {"torch": "1.0", "numpy": "1.26"}}))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Results(tmp_path_factory.mktemp("made")).make()


@pytest.fixture
def results(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / "results")
    return Results(tmp_path / "results")


def test_a_record_holds_settings_seeds_and_digests_and_nothing_of_where_it_was_made(made, tmp_path):
    """Made again elsewhere it is the same file; no path, time, commit, device or version is in it."""
    again = Results(tmp_path / "elsewhere").make()
    assert again.record.read_bytes() == made.record.read_bytes()
    text, record = made.record.read_text(), json.loads(made.record.read_text())
    assert record["config"]["train_sae"]["recipe"] == RECIPES["train_sae"] and record["config"]["train_sae"]["sae.lr"] == 4e-3
    assert record["training"]["seed"] == record["config"]["train_sae"]["sae.seed"] == 0
    digests = ("tensor_sha256", "activations_manifest_sha256", "checkpoint_sha256", "static_sha256", "states_sha256")
    assert all(re.fullmatch("[0-9a-f]{64}", record[name]) for name in digests)
    for word in (str(made.folder), "cpu", torch.__version__, "commit"):
        assert word not in text, word
    assert not re.search(r"20\d\d-\d\d-", text)


def test_the_same_settings_and_data_give_the_same_tensors(results):
    """Every tensor is identical, nothing but the verdict is left, and the published SAE is untouched."""
    before = {path: path.read_bytes() for path in results.folder.rglob("*") if path.is_file()}
    verdict = results.reproduce()
    assert verdict["identical"] and verdict["verdict"] == "identical"
    assert {name: of["max_abs"] for name, of in verdict["tensors"].items()} == dict.fromkeys(("W_enc", "b_enc", "W_dec", "b_dec"), 0.0)
    after = {path: path.read_bytes() for path in results.folder.rglob("*") if path.is_file()}
    assert set(after) - set(before) == {results.verdict} and all(after[path] == raw for path, raw in before.items())


def test_one_altered_weight_is_named_with_its_distance(results):
    """The file is at fault, since what was trained again is what the record says; the right weights are left."""
    weights = torch.load(results.weights, weights_only=True)
    right = weights["b_enc"][3].item()
    weights["b_enc"][3] += 0.25
    write_weights(results.weights, weights)
    line = results.refuse()
    larger = max(abs(right), abs(right + 0.25))
    assert "found b_enc that differs by up to 0.25" in line and f"relatively by up to {0.25 / larger:.3g} (1 of 4" in line
    assert "altered since" in line and str(results.weights) in line
    left = torch.load(results.left / results.weights.name, weights_only=True)
    assert left["b_enc"][3].item() == right
    shutil.copy(results.left / results.weights.name, results.weights)
    assert results.reproduce()["identical"] and not results.left.exists()


def test_a_file_and_a_record_that_agree_on_other_weights_are_refused(results):
    """Another seed's SAE under the same settings: the training is named, and the versions that differ."""
    other = config_of(seed=5)
    reader = StoreReader(results.manifest)
    trained = train(ResidentFeed(reader, CPU), BY_ID[BLOCK], other.sae)
    export(results.config, BY_ID[BLOCK], trained, reader, results.folder)
    results.made_on(None)
    line = results.refuse()
    assert "found W_enc that differs by up to" in line and "(4 of 4 tensors differ)" in line and "torch 1.0 there and" in line


def test_the_first_setting_that_differs_is_named(results):
    """Key, value of the published SAE and value found; a recipe version; a setting of the activations."""
    line = results.refuse(config=config_of(lr=0.001))
    assert line.startswith("config key sae.lr: expected 0.004, with which ") and "found 0.001" in line
    line = results.refuse(config=typed({**RAW, "sae": {"expansion": 4, "epochs": 20, "lr": 4e-3}, "activations": {"dtype": "float32"}}))
    assert line.startswith('config key activations.dtype: expected "float16"') and 'found "float32"' in line
    config = json.loads(results.record.read_text())["config"]
    config["train_sae"]["recipe"] -= 1
    results.change_record(config=config)
    assert results.refuse().startswith("the recipe version of train_sae: expected ")


def data_records(results, **changes):
    """The records of split, store and checkpoint that the SAE was made from, under `results/scratch`."""
    snapshots, cams = json.loads(results.manifest.read_text())["snapshots"], results.config.cams
    states = {s[name]: {"sha256": sha256} for s in snapshots for name, sha256 in zip(("previous", "time"), s["inputs"], strict=True)}
    axes = {axis: [0.0] * n for axis, n in zip(("latitude", "longitude"), cams.demo_grid, strict=True)}
    pairs = [{name: s[name] for name in ("previous", "time")} for s in snapshots]
    split = {"kind": "states", "snapshots": pairs, "states": states, "levels": sorted(cams.levels), **axes}
    checkpoint = {"kind": "checkpoint", "sha256": digest("c"), "revision": None, "seed": results.config.aurora.demo.seed}
    scratch = results.folder / "scratch"
    write_json(scratch / "states" / "train.json", {**split, **changes})
    write_json(scratch / "checkpoint" / "checkpoint.json", checkpoint)
    return scratch


DATA_SETTINGS = {
    "cams.levels": [50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925],
    "cams.demo_grid": [19, 36],
    "cams.train": {"start": "2022-06-03", "end": "2022-06-07"},
    "cams.missing_dates": ["2022-06-05"],
    "aurora.demo.seed": 3,
}


@pytest.mark.parametrize("key", DATA_SETTINGS)
def test_another_setting_of_the_data_is_named_before_they_are_made_anew(results, key):
    """From the records that are here, while they are still those of the SAE; of others nothing is known."""
    scratch = data_records(results)
    published = Published.of(results.folder, BLOCK)
    published.check_data(results.config, scratch)
    other = typed(put(copy.deepcopy(RAW), key, DATA_SETTINGS[key]))
    with pytest.raises(UserError) as refused:
        published.check_data(other, scratch)
    assert key in refused.value.where and "with which " in refused.value.expected and "set it so" in refused.value.fix
    results.change_record(states_sha256="0" * 64, checkpoint_sha256="0" * 64)
    Published.of(results.folder, BLOCK).check_data(other, scratch)
    Published.of(results.folder, BLOCK).check_data(other, scratch / "nowhere")


def test_the_store_alone_tells_other_dates(results):
    """Where another configuration has replaced the split's record, but not yet the block's store."""
    scratch = data_records(results, states={}, snapshots=[])
    other = typed(put(copy.deepcopy(RAW), "cams.train", DATA_SETTINGS["cams.train"]))
    published = Published.of(results.folder, BLOCK)
    published.check_data(results.config, scratch)
    with pytest.raises(UserError, match=r"cams\.train.* expected 4 training snapshots .* found 5 .* 2022-06-07T12:00:00Z"):
        published.check_data(other, scratch)


@pytest.mark.parametrize("key", ["states_sha256", "static_sha256", "checkpoint_sha256"])
def test_other_inputs_are_named(results, key):
    """States, statics and checkpoint are told apart before anything is trained."""
    results.change_record(**{key: "0" * 64})
    line = results.refuse()
    assert f"{key} {'0' * 64}" in line and not results.left.exists()


def test_an_altered_chunk_is_named(results):
    """The store says which file, and how it is made again."""
    chunk = results.manifest.parent / "store.zarr/activation/c/2/0/0/0/0"
    raw = bytearray(chunk.read_bytes())
    raw[40] ^= 1
    chunk.write_bytes(raw)
    line = results.refuse()
    assert str(chunk) in line and f"rm -f {results.manifest} && snakemake" in line


def test_other_activations_from_the_same_inputs_are_refused_on_one_kind_of_machine(results):
    """Their manifest is named; on another kind of machine they are no surprise, and explained variance is compared."""
    results.change_record(activations_manifest_sha256="0" * 64)
    assert f"the activations {'0' * 64}" in results.refuse()
    results.made_on("another machine")
    assert results.reproduce()["identical"]


def test_another_kind_of_machine_must_explain_as_much(results):
    """Weights that differ a little pass with both figures; half an SAE does not; an altered file never does."""
    weights = torch.load(results.weights, weights_only=True)
    weights["W_dec"] *= 1 + 1e-5
    write_weights(results.weights, weights)
    results.made_on("another machine")
    assert "altered since" in results.refuse()
    results.change_record(tensor_sha256=module.tensor_digest(weights))
    verdict = results.reproduce()
    assert not verdict["identical"] and "explained variance" in verdict["verdict"]
    assert verdict["fve"]["published"] == pytest.approx(verdict["fve"]["retrained"], abs=1e-4)
    assert verdict["fve"]["published"] != verdict["fve"]["retrained"]
    weights["W_dec"] *= 0.5
    write_weights(results.weights, weights)
    results.change_record(tensor_sha256=module.tensor_digest(weights))
    results.verdict.unlink()
    assert "device another machine there and " in results.refuse()


def test_a_copied_release_is_compared_with(results, tmp_path):
    """It needs record and weights alone; its device stands in its index; what is missing is named."""
    release = tmp_path / "release"
    line = results.refuse(against=release)
    assert str(release / "saes" / results.record.name) in line and "no such file" in line and "reproduce.against" in line
    (release / "saes").mkdir(parents=True)
    for path in (results.record, results.weights):
        shutil.copy(path, release / "saes")
    shutil.rmtree(results.folder / "saes")
    assert results.reproduce(against=release)["identical"]
    (release / "sae_index.json").write_text(json.dumps({"environment": {"device": "a GPU", "torch": "1.0"}}))
    assert module._made_with(Published.of(release, BLOCK)) == {"device": "a GPU", "packages": {"torch": "1.0"}}
    results.verdict.unlink()
    (release / "saes" / results.weights.name).write_bytes(b"no zip at all")
    assert "unreadable file" in results.refuse(against=release)


def test_a_stopped_reproduction_goes_on(results, monkeypatch):
    """SIGTERM leaves a checkpoint of its own and status 143; the verdict is then that of an undisturbed one."""
    config = dataclasses.replace(results.config, sae=dataclasses.replace(results.config.sae, checkpoint_minutes=0.0))
    steps, save = [], Checkpoint.save

    def save_and_be_stopped(self, tensors, step, notes):
        save(self, tensors, step, notes)
        steps.append(step)
        if step == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Checkpoint, "save", save_and_be_stopped)
    with pytest.raises(SystemExit, match="143"):
        results.reproduce(config)
    assert (results.left / "training" / "checkpoint.safetensors").is_file() and not results.verdict.exists()
    stopped = len(steps)
    assert results.reproduce(config)["identical"]
    assert steps[stopped] > steps[stopped - 1] >= 7


def test_distances_are_the_largest_of_all_entries():
    """Absolute and relative, a tensor of one side, another shape, a value that is not finite, minus zero."""
    a = {"x": torch.tensor([1.0, -4.0, 0.0]), "y": torch.zeros(2), "z": torch.zeros(2), "n": torch.tensor([float("nan")])}
    b = {"x": torch.tensor([1.5, -3.0, 0.0]), "y": torch.zeros(3), "w": torch.ones(1), "n": torch.tensor([float("nan")]), "z": -torch.zeros(2)}
    found = {one.name: one for one in compare_weights(a, b)}
    assert list(found) == ["x", "y", "z", "n", "w"]
    assert (found["x"].max_abs, found["x"].max_rel) == (1.0, pytest.approx(1 / 3))
    assert found["y"].max_abs is None and "shape" in found["y"].words()
    assert not found["z"].is_identical and (found["z"].max_abs, found["z"].max_rel) == (0.0, 0.0)
    assert found["n"].is_identical and "only in the retrained" in found["w"].words()


def test_explained_variance_has_its_closed_form():
    """Zeros explain 1 - (variance + mean^2) / variance; the identity explains everything."""
    d, x = 3, torch.tensor([[1.0, 2, 3], [3, 2, 1], [2, 5, 2]])
    off = {"W_enc": torch.zeros(d, d), "b_enc": torch.zeros(d), "W_dec": torch.zeros(d, d), "b_dec": torch.zeros(d)}
    sst, sse = float((x - x.mean(0)).square().sum()), float(x.square().sum())
    assert explained(off, x) == pytest.approx(1 - sse / sst, rel=1e-12)
    assert explained({**off, "W_enc": torch.eye(d), "W_dec": torch.eye(d)}, x) == 1.0


def test_planning_needs_nothing_heavy(root):
    """What Snakemake imports to compare settings loads neither torch nor numpy."""
    code = "import sys; import aurorascope.reproduction.published; sys.exit(bool({'torch', 'numpy', 'xarray'} & set(sys.modules)))"
    environment = {"PYTHONPATH": str(Path(root) / "workflow"), "PATH": ""}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0
