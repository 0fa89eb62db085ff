"""The SAELens folder: its form, and that the real SAELens computes from it what we do."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from aurorascope.activations.feed import ResidentFeed, StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.sae.architectures import ARCHITECTURES as TRAINABLE
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.fold import fold
from aurorascope.sae.saelens import saelens_files
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tiny import BLOCK, claim, make_store

from tests.architectures import ARCHITECTURES, of
from tests.trained import train
from tests.training.settings import sae

_PEERS = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"
_METADATA = {"hook_name": "backbone.encoder_layers.1.blocks.5", "block": "encoder_s1_b5", "tensor_sha256": "ab12"}
# Runs where SAELens is installed: argument 1 is a folder of folders, each a SAELens folder with x in x.safetensors.
_SCRIPT = """
import json, sys
from pathlib import Path
import torch
from sae_lens import SAE
from safetensors.torch import load_file, save_file
torch.set_num_threads(1)
for folder in sorted(Path(sys.argv[1]).iterdir()):
    sae = SAE.load_from_disk(str(folder))
    with torch.no_grad():
        features = sae.encode(load_file(folder / "x.safetensors")["x"])
        out = {"features": features, "x_hat": sae.decode(features)}
    save_file({name: tensor.contiguous() for name, tensor in out.items()}, folder / "out.safetensors")
    read = {"architecture": sae.cfg.architecture(), "metadata": sae.cfg.metadata.to_dict()}
    (folder / "read.json").write_text(json.dumps(read))
"""


def test_relu_config_is_as_before():
    """Every field, and their order, of the folders released until now."""
    cfg, tensors = saelens_files(of("relu"), _METADATA)
    expected = {
        "architecture": "standard",
        "d_in": 6,
        "d_sae": 24,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": "6.54.12",
            "model_name": "microsoft/aurora",
            "hook_name": "backbone.encoder_layers.1.blocks.5",
            "block": "encoder_s1_b5",
            "tensor_sha256": "ab12",
        },
    }
    assert json.dumps(cfg) == json.dumps(expected)
    assert list(tensors) == ["W_enc", "b_enc", "W_dec", "b_dec"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_each_architecture_adds(architecture):
    """k is in the config and is no tensor; threshold is a tensor; the config is plain JSON."""
    content = of(architecture)
    cfg, tensors = saelens_files(content, _METADATA)
    assert json.loads(json.dumps(cfg)) == cfg
    assert cfg["architecture"] == {"relu": "standard"}.get(architecture, architecture) == RELEASED[architecture].saelens
    extra = {"k": 5, "rescale_acts_by_decoder_norm": False} if "topk" in architecture else {}
    if architecture == "matching_pursuit":
        extra = {"max_iterations": 5, "residual_threshold": 0.0, "stop_on_duplicate_support": False}
    plain, _ = saelens_files(of("relu"), _METADATA)
    assert {key: cfg[key] for key in cfg.keys() - plain.keys()} == extra
    assert set(tensors) == ({"W_dec", "b_dec"} if architecture == "matching_pursuit" else set(content) - {"k", "signed"})
    assert all(torch.equal(tensors[name], content[name]) and tensors[name].is_contiguous() for name in tensors)


@given(metadata=st.dictionaries(st.text(min_size=1), st.one_of(st.integers(), st.text(), st.none())))
def test_metadata_is_merged(metadata):
    """What the caller passes is there as passed, and the version SAELens chooses its reader by always is."""
    cfg, _ = saelens_files(of("jumprelu"), {**metadata, "training_architecture": "batchtopk"})
    assert metadata.items() <= cfg["metadata"].items() or "training_architecture" in metadata
    assert cfg["metadata"]["training_architecture"] == "batchtopk"
    assert cfg["metadata"]["sae_lens_version"] and cfg["metadata"]["model_name"] == metadata.get(
        "model_name", "microsoft/aurora"
    )


def test_non_contiguous_tensors_can_be_saved(tmp_path):
    """Safetensors takes what comes out, whatever strides went in; parameters lose their gradients."""
    content = of("relu")
    content["W_enc"] = torch.nn.Parameter(content["W_enc"].T.contiguous().T)
    _, tensors = saelens_files(content, {})
    save_file(tensors, tmp_path / "w.safetensors")
    assert torch.equal(load_file(tmp_path / "w.safetensors")["W_enc"], content["W_enc"])


@pytest.mark.parametrize(
    "change",
    [lambda t: t.pop("W_dec"), lambda t: t.update(gate=torch.zeros(1)), lambda t: t["b_enc"].fill_(torch.nan)],
    ids=["missing", "unknown", "NaN"],
)
def test_what_is_no_sae_is_refused(change):
    content = of("relu")
    change(content)
    with pytest.raises(ValueError, match="SAELens export: expected"):
        saelens_files(content, {})


def _interpreter():
    if _PEERS.exists():
        return str(_PEERS)
    if importlib.util.find_spec("sae_lens"):
        return sys.executable
    pytest.skip("no environment has sae_lens; `python benchmarks/step.py` makes .venv-peers")


def _cases():
    """Each architecture as trained, and folded from data of mean 1e2 and scale 30."""
    generator = torch.Generator().manual_seed(11)
    x = torch.randn(64, 16, generator=generator)
    mean = 1e2 * (1 + torch.rand(16, generator=generator))
    for architecture in ARCHITECTURES:
        tensors = of(architecture, d=16, expansion=8, k=9)
        yield architecture, tensors, x
        yield f"{architecture}_folded", fold(tensors, mean, 30), mean + 30 * x


def _trained(folder):
    """One SAE of each architecture as the tuned recipe leaves it, and a snapshot of its activations."""
    reader = StoreReader(make_store(folder, claim(range(3, 9))))
    feed, x = ResidentFeed(reader, torch.device("cpu")), torch.from_numpy(reader.read([0])[0])
    for architecture in TRAINABLE:
        yield f"trained_{architecture}", train(feed, BY_ID[BLOCK], sae("tuned", architecture=architecture)).weights, x


@pytest.mark.slow
def test_saelens_computes_the_same(tmp_path, tmp_path_factory):
    """SAELens itself, from the files alone: same features, same support, same reconstruction; metadata survive."""
    interpreter = _interpreter()
    made = [*_cases(), *_trained(tmp_path_factory.mktemp("store"))]
    cases = {name: (tensors, x) for name, tensors, x in made}
    for name, (tensors, x) in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        cfg, weights = saelens_files(tensors, {**_METADATA, "training_architecture": "batchtopk"})
        (folder / "cfg.json").write_text(json.dumps(cfg))
        save_file(weights, folder / "sae_weights.safetensors")
        save_file({"x": x}, folder / "x.safetensors")
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONPATH": ""}
    command = [interpreter, "-c", _SCRIPT, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert run.returncode == 0, run.stderr
    for name, (tensors, x) in cases.items():
        theirs = load_file(tmp_path / name / "out.safetensors")
        with torch.no_grad():
            ours = AuroraSAE.from_tensors(tensors)
            x_hat, features = ours(x)
        for found, expected in ((theirs["features"], features), (theirs["x_hat"], x_hat)):
            assert float((found - expected).abs().max() / expected.abs().max()) <= 1e-6, name
        assert torch.equal(theirs["features"] != 0, features != 0), name
        assert features.any(), name
        read = json.loads((tmp_path / name / "read.json").read_text())
        assert read["architecture"] == {"relu": "standard"}.get(ours.architecture, ours.architecture)
        assert read["metadata"].items() >= {**_METADATA, "training_architecture": "batchtopk"}.items()
