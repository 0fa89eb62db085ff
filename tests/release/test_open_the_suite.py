"""The stranger's script: it says of every architecture that three ways to open an SAE give the same features."""

import ast
import importlib.util
import json
import os
import runpy
import subprocess
import sys

import numpy as np
import pytest
import torch
from aurorascope.files import write_json
from aurorascope.release.bundle import copy_module
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.saelens import saelens_files
from safetensors.torch import load_file, save_file

from tests.architectures import ARCHITECTURES, of
from tests.workflow.project import BLOCKS, ROOT

SCRIPT = ROOT / "docs" / "examples" / "open_the_suite.py"
PEERS = ROOT / ".venv-peers" / "bin" / "python"


def written(folder, architecture):
    """As much of a results folder as the script reads, with one random SAE."""
    tensors, saelens = of(architecture, d=16, expansion=8, k=9), folder / "saelens" / "one"
    saelens.mkdir(parents=True)
    torch.save(tensors, folder / "one.pt")
    save_file({"x": torch.randn(8, 16, generator=torch.Generator().manual_seed(1))}, folder / "golden.safetensors")
    cfg, weights = saelens_files(tensors, {})
    write_json(saelens / "cfg.json", cfg)
    save_file(weights, saelens / "sae_weights.safetensors")
    sae = {"id": "one", "d_model": 16, "d_hidden": 128, "metrics": {"fve": 0.5}, "filename": "one.pt"}
    alternates = [{"filename": "saelens/one/sae_weights.safetensors"}]
    write_json(folder / "sae_index.json", {"saes": [{**sae, "golden_file": "golden.safetensors", "alternates": alternates}]})
    copy_module(folder)
    return folder


def ran(folder, monkeypatch, capsys):
    """The script's names and what it printed, run here with SAELens made impossible to import."""
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setitem(sys.modules, "sae_lens", None)
    monkeypatch.delitem(sys.modules, "aurora_sae", raising=False)
    names = runpy.run_path(str(SCRIPT))
    monkeypatch.delitem(sys.modules, "aurora_sae")
    return names, capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_numpy_and_torch_agree_on_every_architecture(tmp_path, monkeypatch, capsys, architecture):
    """The script's NumPy is the SAE's encode, and its features are the SAE's."""
    folder = written(tmp_path, architecture)
    names, lines = ran(folder, monkeypatch, capsys)
    with torch.inference_mode():
        h = AuroraSAE.from_file(str(folder / "one.pt")).encode(load_file(folder / "golden.safetensors")["x"])
    np.testing.assert_array_equal(names["features"].numpy(), h.numpy())
    assert lines[0] == "one  16 to 128  FVE 0.5"
    assert lines[1] == f"one in PyTorch: {int((h != 0).sum())} active features in 8 tokens" and (h != 0).any()
    assert lines[2].startswith("NumPy: the same features")
    assert lines[3:] == ["SAELens is not installed here (pip install sae-lens)."]


def test_a_difference_is_said(tmp_path, monkeypatch, capsys):
    """Other weights in the SAELens folder are noticed."""
    folder = written(tmp_path, "relu")
    path = folder / "saelens" / "one" / "sae_weights.safetensors"
    save_file({**load_file(path), "b_enc": torch.zeros(128)}, path)
    assert ran(folder, monkeypatch, capsys)[1][2].startswith("NumPy: DIFFERENT")


def test_it_is_short_and_imports_nothing_of_this_project():
    text = SCRIPT.read_text()
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {a.name for node in nodes if isinstance(node, ast.Import) for a in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} == {
        "json", "pathlib", "aurora_sae", "numpy", "torch", "safetensors", "sae_lens",
    }
    assert len(text.splitlines()) < 60


@pytest.mark.slow
def test_on_a_copied_release_with_saelens_where_it_is_installed(release):
    """A process that knows the release alone, with the SAELens of `.venv-peers` where there is one."""
    has_saelens = PEERS.exists() or importlib.util.find_spec("sae_lens") is not None
    interpreter = str(PEERS) if PEERS.exists() else sys.executable
    environment = {**os.environ, "PYTHONPATH": str(release), "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    done = subprocess.run([interpreter, str(SCRIPT)], env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    fve = json.loads((release / "sae_index.json").read_text())["saes"][0]["metrics"]["fve"]
    assert lines[0] == f"{BLOCKS[0]}  16 to 128  FVE {fve}"
    assert [line.split()[0] for line in lines[:4]] == list(BLOCKS)
    found = [line for line in lines if "features, " in line]
    assert [line.split(" features")[0] for line in found] == ["NumPy: the same", *["SAELens: the same"] * has_saelens]
