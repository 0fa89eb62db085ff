"""The SAE of a stage from stores to its files: planted directions, released form, resuming, evaluation and index."""

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest
import torch
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, write_json
from aurorascope.measures.held_out.formulas import FORMULAS
from aurorascope.release.schema import index_schema
from aurorascope.release.suite import Suite
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.saelens import saelens_files
from aurorascope.stage_saes import evaluate as evaluating
from aurorascope.stage_saes.formulas import LIVES
from aurorascope.stage_saes.index import stage_entries
from aurorascope.stage_saes.train import train_stage_sae
from aurorascope.training.engine import Saver
from safetensors.torch import load_file

from tests.card import LOAD
from tests.stage_saes.stages import D_MODEL, NAMES, STAGE, config_of, make_stage

CPU = torch.device("cpu")
SHAPES = {"card": {}, "topk": {"architecture": "topk", "target_l0": 2, "normalise": True}, "tuned": {"recipe": "tuned", "target_l0": 2}}
SHAPES["mutual"] = {**SHAPES["topk"], "mutual_weight": 0.3}
SHAPES["jumprelu"] = {"architecture": "jumprelu", "target_l0": 2, "normalise": True}


def evaluate(config, results):
    """Evaluate with the split's record in its place, which a store's claim would be made from if it lay there from the first."""
    states = results / "scratch" / "states" / "held_out.json"
    states.parent.mkdir(parents=True, exist_ok=True)
    states.write_bytes((results / "made" / "held_out.json").read_bytes())
    evaluating.evaluate_stage_sae(config, STAGE, results, CPU)
    return json.loads((results / "evaluation" / "encoder_s2.json").read_text())


@pytest.fixture(scope="module", params=SHAPES)
def made(request, tmp_path_factory):
    results, config = make_stage(tmp_path_factory.mktemp(request.param)), config_of(**SHAPES[request.param])
    train_stage_sae(config, STAGE, results)
    return results, config


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Trained long enough to find what is planted."""
    results = make_stage(tmp_path_factory.mktemp("planted"))
    config = config_of(architecture="topk", target_l0=1, normalise=True, epochs=100, expansion=2, lr=1e-2)
    train_stage_sae(config, STAGE, results)
    return results, config, evaluate(config, results)


def test_its_files_reload_bit_equal_for_each_block(made):
    results, _config = made
    path, record = results / "saes" / "sae_encoder_s2.pt", json.loads((results / "saes" / "sae_encoder_s2.json").read_text())
    tensors, golden = torch.load(path, weights_only=True), load_file(results / "saes" / "golden" / "encoder_s2.safetensors")
    assert tensors["b_enc"].shape == (2, 4 * D_MODEL) and tensors["b_dec"].shape == (2, D_MODEL) and tensors["W_dec"].ndim == 2
    assert record["sha256"] == sha256_file(path) and record["blocks"] == list(NAMES)
    for place, name in enumerate(NAMES):
        sae = AuroraSAE.from_file(str(path), golden=golden, block=place)
        x_nd = torch.from_numpy(StoreReader(StorePaths.of(results / "scratch", name, "train").manifest).read([0])[0])
        assert golden["x"][place].tolist() == x_nd[torch.linspace(0, len(x_nd) - 1, 8).round().long()].tolist()
        assert torch.equal(sae(golden["x"][place])[1], golden["features"][place])
        for key, value in sae.state_dict().items():
            assert torch.equal(value, tensors[key][place] if key in ("b_enc", "b_dec", "threshold") else tensors[key])


def test_blocks_differ_by_their_mean_and_spread_alone(made):
    """With s the scale of each: b_enc / s and threshold / s are the same, and so is (b_dec - mean) / s."""
    results, config = made
    tensors = torch.load(results / "saes" / "sae_encoder_s2.pt", weights_only=True)
    record = json.loads((results / "saes" / "sae_encoder_s2.json").read_text())
    readers = [StoreReader(StorePaths.of(results / "scratch", name, "train").manifest) for name in NAMES]
    scales = [record["scales"][name] for name in NAMES]
    means = [reader.moments()["mean"] for reader in readers] if config.sae.normalise else [np.zeros(D_MODEL)] * 2
    for key, shift in (("b_enc", [0, 0]), ("b_dec", means), ("threshold", [0, 0])):
        if key in tensors:
            first, second = ((tensors[key][b].numpy() - shift[b]) / scales[b] for b in (0, 1))
            assert np.allclose(first, second, atol=2e-5)
    assert (scales == [1.0, 1.0]) != config.sae.normalise


def test_other_loaders_refuse_it(made):
    results, _config = made
    tensors = torch.load(results / "saes" / "sae_encoder_s2.pt", weights_only=True)
    names = {"torch": torch, "nn": torch.nn, "F": torch.nn.functional}
    exec(LOAD[LOAD.index("class AuroraSAE") : LOAD.index("# Download")], names)
    with pytest.raises(RuntimeError, match="size mismatch"):
        names["AuroraSAE"](D_MODEL, 4).load_state_dict(tensors)
    with pytest.raises(ValueError, match="b_enc of shape"):
        saelens_files(tensors, {})


def test_a_block_must_be_named_and_be_one_of_its_own(made):
    results, _ = made
    path = str(results / "saes" / "sae_encoder_s2.pt")
    for block in (None, 2, -1, "encoder_s2_b0"):
        with pytest.raises(ValueError, match=f"expected block from 0 to 1, .*found {block!r}"):
            AuroraSAE.from_file(path, block=block)
    assert torch.equal(AuroraSAE.from_file(path, block=1.0).b_dec, AuroraSAE.from_file(path, block=1).b_dec)
    tensors = torch.load(path, weights_only=True)
    with pytest.raises(ValueError, match="expected no block, since it is of one; found 0"):
        AuroraSAE.from_tensors({**tensors, "b_enc": tensors["b_enc"][0], "b_dec": tensors["b_dec"][0]}, block=0)
    with pytest.raises(ValueError, match="shape"):
        AuroraSAE.from_tensors({**tensors, "b_enc": tensors["b_enc"][:1]})


def test_a_stopped_training_goes_on_to_the_same_bytes(made, tmp_path, monkeypatch):
    results, config = made
    again = make_stage(tmp_path)
    is_due = Saver.is_due
    monkeypatch.setattr(Saver, "is_due", lambda self, is_epoch_end: True)
    calls = []

    def save(self, trainer):
        calls.append(trainer.t)
        self._checkpoint.save(trainer.state(), trainer.t, trainer.notes())
        if len(calls) == 5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Saver, "save", save)
        train_stage_sae(config, STAGE, again)
    assert not (again / "saes").exists() and calls == [1, 2, 3, 4, 5]
    monkeypatch.setattr(Saver, "is_due", is_due)
    train_stage_sae(config, STAGE, again)
    for name in ("saes/sae_encoder_s2.pt", "saes/sae_encoder_s2.json", "saes/golden/encoder_s2.safetensors", "training/encoder_s2.parquet"):
        assert (again / name).read_bytes() == (results / name).read_bytes(), name
    assert not (again / "scratch" / "training" / "encoder_s2").exists()


def test_the_order_in_which_stores_were_filled_changes_no_byte(made, tmp_path):
    results, config = made
    again = make_stage(tmp_path, order=NAMES[::-1])
    train_stage_sae(config, STAGE, again)
    name = "saes/sae_encoder_s2.pt"
    assert (again / name).read_bytes() == (results / name).read_bytes()


def test_planted_directions_live_where_they_were_planted(planted):
    """One is on in both blocks, one in each alone, though the second block is 50 times the first."""
    results, _config, record = planted
    table = pd.read_parquet(results / "evaluation" / "encoder_s2.parquet")
    W_dec = AuroraSAE.from_file(str(results / "saes" / "sae_encoder_s2.pt"), block=0).W_dec.detach()
    share = table.pivot(index="feature", columns="block", values="share")[list(NAMES)].to_numpy()
    density = table.pivot(index="feature", columns="block", values="density")[list(NAMES)].to_numpy()
    for direction, expected in ((0, (0.5, 0.5)), (1, (1, 0)), (2, (0, 1))):
        feature = int(W_dec[:, direction].argmax())
        assert W_dec[feature, direction] > 0.9
        assert np.allclose(share[feature], expected, atol=0.1), (direction, share[feature])
        assert np.allclose(density[feature], np.asarray(expected) / max(expected) / 8, atol=0.03)
    for block in record["blocks"]:
        assert block["metrics"]["fve"] > 0.9 and set(block["metrics"]) <= set(FORMULAS)


def test_shares_and_their_summary_follow_from_densities_and_energies(planted):
    results, _, record = planted
    table = pd.read_parquet(results / "evaluation" / "encoder_s2.parquet")
    assert table.columns.tolist() == ["feature", "block", "density", "energy", "share"] and len(table) == 2 * 2 * D_MODEL
    of_feature = table.groupby("feature")
    alive = of_feature.density.sum() > 0
    assert np.allclose(of_feature.share.sum()[alive], 1) and table.share.isna().sum() == 2 * (~alive).sum()
    entropy = of_feature.share.apply(lambda p: float(-(p[p > 0] * np.log(p[p > 0])).sum()))[alive]
    expected = {
        "frac_dead_all": 1 - alive.mean(), "effective_blocks": np.exp(entropy).median(),
        "frac_alone": (of_feature.share.max()[alive] >= 0.9).mean(), "frac_everywhere": (of_feature.density.min()[alive] > 0).mean(),
    }
    assert record["metrics"].keys() == expected.keys() == LIVES.keys()
    assert all(np.isclose(record["metrics"][name], value) for name, value in expected.items())
    assert sum(record["homes"].values()) == alive.sum()


def test_energy_is_what_a_feature_writes_over_what_the_block_varies_by(planted):
    results, _, record = planted
    path, table = results / "saes" / "sae_encoder_s2.pt", pd.read_parquet(results / "evaluation" / "encoder_s2.parquet")
    scales = json.loads((results / "saes" / "sae_encoder_s2.json").read_text())["scales"]
    for place, name in enumerate(NAMES):
        x_nd = StoreReader(StorePaths.of(results / "scratch", name, "held_out").manifest).read().reshape(-1, D_MODEL)
        with torch.inference_mode():
            x_hat, h = (t.double().numpy() for t in AuroraSAE.from_file(str(path), block=place)(torch.from_numpy(x_nd)))
        here = table[table.block == name]
        assert np.allclose(here.density, (h != 0).mean(axis=0))
        assert np.allclose(here.energy, (h**2).mean(axis=0) / (D_MODEL * scales[name] ** 2), rtol=1e-6)
        found = record["blocks"][place]["metrics"]
        sse, sst = ((x_nd - x_hat) ** 2).sum(), ((x_nd - x_nd.mean(axis=0, dtype=np.float64)) ** 2).sum()
        assert np.isclose(found["fve"], 1 - sse / sst, rtol=1e-5) and np.isclose(found["l0"], (h != 0).sum(axis=1).mean())


def test_the_index_has_an_entry_that_its_schema_allows(planted):
    results, config, record = planted
    (entry,) = stage_entries(config, results)
    schema = index_schema()
    jsonschema.validate(entry, {**schema["$defs"]["stage_sae"], "$defs": schema["$defs"]})
    assert [block["id"] for block in entry["blocks"]] == list(NAMES) and entry["metrics"] == record["metrics"]
    assert stage_entries(config_of(group="block"), results) == []


def test_the_index_refuses_what_is_of_other_blocks_or_another_sae(planted, tmp_path):
    import shutil

    results, config, record = planted
    here = shutil.copytree(results, tmp_path / "results")
    write_json(here / "evaluation" / "encoder_s2.json", {**record, "sae_sha256": "0" * 64})
    with pytest.raises(UserError, match="expected 'sae_sha256' .*, as the record of kind stage_sae says"):
        stage_entries(config, here)
    sae = json.loads((here / "saes" / "sae_encoder_s2.json").read_text())
    write_json(here / "saes" / "sae_encoder_s2.json", {**sae, "blocks": [*NAMES, "encoder_s2_b2"]})
    with pytest.raises(UserError, match="an SAE of encoder_s2_b0, encoder_s2_b1"):
        stage_entries(config, here)


def test_a_suite_opens_it_for_each_block_and_refuses_altered_files(planted, tmp_path):
    import shutil

    results, config, _ = planted
    here = shutil.copytree(results, tmp_path / "results")
    suite = Suite(here, {"saes": [], "stage_saes": stage_entries(config, here)})
    assert suite.stage_ids == ("encoder_s2",)
    with pytest.raises(UserError, match=r"found 'encoder_s2'.*suite\.load_stage\('encoder_s2', 'encoder_s2_b0'\)"):
        suite["encoder_s2"]
    first, second = (suite.load_stage("encoder_s2", name) for name in NAMES)
    assert torch.equal(first.W_dec, second.W_dec) and not torch.equal(first.b_dec, second.b_dec)
    assert [first.block_id, second.block_id] == list(NAMES)
    assert len(suite.lives("encoder_s2")) == 2 * 2 * D_MODEL
    with pytest.raises(UserError, match="one of its blocks"):
        suite.load_stage("encoder_s2", "encoder_s2_b2")
    with pytest.raises(UserError, match="one of its SAEs of stages"):
        suite.load_stage("encoder_s1", "encoder_s1_b2")
    record = here / "evaluation" / "encoder_s2.json"
    own = json.loads(record.read_text())
    write_json(record, {**own, "sae_sha256": "0" * 64})
    with pytest.raises(UserError, match="an evaluation of the SAE .* as the index has it, found of 000000000000"):
        suite.lives("encoder_s2")
    write_json(record, own)
    with open(here / "evaluation" / "encoder_s2.parquet", "ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match="sha256"):
        suite.lives("encoder_s2")
    with open(here / "saes" / "sae_encoder_s2.pt", "ab") as file:
        file.write(b"x")
    with pytest.raises(UserError, match="sha256"):
        suite.load_stage("encoder_s2", NAMES[0])
