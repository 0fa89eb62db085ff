"""From a trained SAE of any architecture to its files, its record and its entry in the index."""

import json

import jsonschema
import numpy as np
import pytest
import torch
from aurorascope.activations.feed import ResidentFeed
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.config.recipes import RECIPES
from aurorascope.files import sha256_file
from aurorascope.measures.all import MEASURES
from aurorascope.measures.held_out.record import HELD_OUT
from aurorascope.release.card import coefficient
from aurorascope.release.index import index_entry
from aurorascope.release.schema import index_schema
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.digest import tensor_digest
from aurorascope.training.export import export
from aurorascope.training.sae_files import SaeFiles
from safetensors.torch import load_file
from tiny import BLOCK, D_MODEL, LAT, LON, claim, grid, make_store

from tests.config.raw import typed
from tests.trained import train

DATES = {"train": {"dates": ["2022-06-01"]}, "held_out": {"dates": ["2022-07-01"]}}
CASES = {
    # Recipe and changes; form, k and whether the sparsity term is an L1 whose coefficient can be told in sums.
    "card": ({}, "relu", None, True),
    "normalised": ({"normalise": True}, "relu", None, True),
    "controlled": ({"target_l0": 5.0}, "relu", None, True),
    "annealed": ({"p_end": 0.5}, "relu", None, False),
    "batchtopk": ({"recipe": "tuned", "architecture": "batchtopk", "target_l0": 4}, "jumprelu", 4, False),
    "topk": ({"architecture": "topk", "target_l0": 3}, "topk", 3, False),
    "abstopk": ({"architecture": "abstopk", "target_l0": 3, "normalise": True}, "abstopk", 3, False),
    "matryoshka": ({"architecture": "matryoshka", "target_l0": 6}, "jumprelu", 6, False),
    "hierarchical": ({"architecture": "hierarchical", "target_l0": 6}, "topk", 6, False),
    "archetypal": ({"architecture": "archetypal", "target_l0": 4, "normalise": True}, "topk", 4, False),
    "matching_pursuit": ({"architecture": "matching_pursuit", "target_l0": 3, "normalise": True}, "matching_pursuit", 3, False),
    "bias_adaptation": ({"architecture": "bias_adaptation", "target_l0": 3.5}, "jumprelu", None, False),
    "gated": ({"architecture": "gated"}, "jumprelu", None, True),
    "jumprelu": ({"architecture": "jumprelu", "target_l0": 5.5}, "jumprelu", None, False),
}


@pytest.fixture(scope="module")
def feed(tmp_path_factory):
    reader = StoreReader(make_store(tmp_path_factory.mktemp("store"), claim(range(3, 6))))
    return ResidentFeed(reader, torch.device("cpu"))


def exported(feed, folder, sae):
    config = typed({"cams": DATES, "sae": {"expansion": 4, "lr": 4e-3, **sae}})
    trained = train(feed, BY_ID[BLOCK], config.sae, area_n=grid().area.reshape(-1))
    return config, trained, export(config, BY_ID[BLOCK], trained, feed.reader, folder)


def test_what_kills_leave_of_any_exported_file_is_swept(feed, tmp_path):
    """Whichever file was being written; the files themselves and another block's stay."""
    exported(feed, tmp_path, {})
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    for path in files:
        path.with_name(f".{path.name}.abcd1234.partial").touch()
    other = tmp_path / "saes" / f".sae_{BLOCK}1.pt.abcd1234.partial"
    other.touch()
    SaeFiles(tmp_path, BLOCK).sweep()
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*files, other}


def entry(record):
    metrics = {"fve": 0.5, "fve_anom": None, "fve_climatology": 0.4, "fve_pca": None, "mse": 0.1, "l0": 3.0, "frac_dead": 0.0,
               "n_eval_tokens": 24}
    cells = grid()
    evaluation = {"token_grid": [1, 4, 6] if cells.n_tokens == 24 else None, "metrics": metrics, "block": BLOCK}
    measured = [measure.entry(evaluation if measure is HELD_OUT else None) for measure in MEASURES]
    return index_entry(record, evaluation, measured, {"latitude": LAT, "longitude": LON})


@pytest.mark.parametrize("case", CASES)
def test_entry_of_every_architecture(feed, tmp_path, case):
    """The index says how it was trained, in which form it is released, and how many latents a token keeps."""
    sae, form, k, is_l1 = CASES[case]
    config, trained, record = exported(feed, tmp_path, sae)
    found = entry(record)
    schema = index_schema()
    jsonschema.validate(found, {"$ref": "#/$defs/sae", "$defs": schema["$defs"]})
    assert found["architecture"]["activation"] == config.sae.architecture
    assert (found["architecture"]["released_as"], found["architecture"]["k"]) == (form, k)
    assert AuroraSAE.from_tensors(trained.weights).architecture == form
    assert (found["training"]["lambda_sum"] is not None) == is_l1
    if is_l1:
        final = float(trained.log["sparsity_weight"].iloc[-1])
        assert found["training"]["lambda_sum"] == pytest.approx(final * D_MODEL * trained.scale)
    text = coefficient(found["training"], D_MODEL)
    assert ("both terms summed" in text) == is_l1
    assert (f"l1_coeff is {config.sae.l1_coeff:g}." in text) == (is_l1 or case in ("annealed", "jumprelu"))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_record_and_entry_are_those_declared(feed, tmp_path, architecture):
    """Of every declared architecture: loss, form and k, an entry that the schema takes, and a file that opens again."""
    declared = ARCHITECTURES[architecture]
    _, _, record = exported(feed, tmp_path, {"architecture": architecture, "target_l0": 3.0})
    found = entry(record)
    jsonschema.validate(found, {"$ref": "#/$defs/sae", "$defs": index_schema()["$defs"]})
    assert (record["architecture"], record["released_as"]) == (architecture, declared.released_as)
    assert record["training"]["loss"] == declared.loss
    assert found["architecture"]["k"] == (3 if declared.keeps_k else None)
    assert (record["training"]["lambda_sum"] is not None) == declared.is_l1
    files = SaeFiles(tmp_path, BLOCK)
    AuroraSAE.from_file(str(files.weights), golden=load_file(files.golden))
    metadata = json.loads(files.saelens_config.read_text())["metadata"]
    assert metadata.get("training_architecture", declared.released_as) == architecture


def test_the_coefficient_in_sums_has_the_same_gradient(feed, tmp_path):
    """In raw units, d_model * scale^2 times the loss is the sum of squares plus lambda_sum times the sum of features."""
    _, trained, record = exported(feed, tmp_path, {"normalise": True, "epochs": 20})
    x = torch.cat(list(feed.snapshots(np.arange(3)))).double()
    w = {name: tensor.double() for name, tensor in trained.weights.items()}
    h = torch.relu((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"])
    squares, features = (h @ w["W_dec"] + w["b_dec"] - x).square().sum(1).mean(), h.sum(1).mean()
    scaled = squares / D_MODEL / trained.scale**2 + 3e-4 * features / trained.scale
    lambda_sum = record["training"]["lambda_sum"]
    assert float(squares + lambda_sum * features) == pytest.approx(float(scaled * D_MODEL * trained.scale**2), rel=1e-6)
    assert trained.scale > 1.5


@pytest.mark.parametrize("case", ["card", "batchtopk", "abstopk"])
def test_files_are_those_of_the_record(feed, tmp_path, case):
    """Weights, golden vectors, SAELens folder and log have the record's digests, and the golden vectors are met."""
    _, trained, record = exported(feed, tmp_path, CASES[case][0])
    files = SaeFiles(tmp_path, BLOCK)
    for path, sha256 in {**record["files"], str(files.weights.relative_to(tmp_path)): record["sha256"]}.items():
        assert sha256_file(tmp_path / path) == sha256
    weights = torch.load(files.weights, weights_only=True)
    assert record["tensor_sha256"] == tensor_digest(weights) == tensor_digest(trained.weights)
    golden = load_file(files.golden)
    with torch.no_grad():
        x_hat, h = AuroraSAE.from_tensors(weights)(golden["x"])
    torch.testing.assert_close(x_hat, golden["x_hat"])
    torch.testing.assert_close(h, golden["features"])
    assert json.loads(files.record.read_text()) == record


@pytest.mark.parametrize("case", ["card", "batchtopk"])
def test_exports_of_one_training_have_the_same_bytes(feed, tmp_path, case):
    """Two folders, the same files: no path, time or host is in them."""
    for name in ("a", "b"):
        exported(feed, tmp_path / name, CASES[case][0])
    contents = [
        {str(path.relative_to(tmp_path / name)): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in ("a", "b")
    ]
    assert contents[0] == contents[1] and len(contents[0]) == 6


def test_recipes_are_named_in_the_schema():
    """What the index calls a recipe is one."""
    schema = index_schema()
    assert schema["$defs"]["sae"]["properties"]["training"]["properties"]["recipe"]["enum"] == [*RECIPES]
