"""The model card that we generate: its snippets run as they stand, on the run that it describes.

The published card's own hook snippet cannot run on the demo as it stands, which `test_card_snippets.py` shows with what
it needs changed: it takes its batch from a package of its authors, fetches the checkpoint from a model hub, builds the
512-wide model, and reshapes to 1,024 channels. Its `output[0]` drops the batch dimension of a tensor, which is harmless
for one snapshot only. Ours reads checkpoint, batch and SAE of the run through the library.
"""

import re

import pytest
import torch
from aurorascope.activations.reader import StoreReader
from safetensors.torch import load_file

from tests.workflow.project import BLOCKS

pytestmark = pytest.mark.slow


@pytest.fixture
def snippets(suite):
    """The Python blocks of the finished suite's card, in order."""
    return re.findall(r"```python\n(.*?)```", suite.result("README.md").read_text(), re.DOTALL)


def test_loading(snippets, suite, monkeypatch):
    """In the release folder, the first block loads an SAE that gives the golden features."""
    monkeypatch.chdir(suite.result("."))
    monkeypatch.syspath_prepend(str(suite.result(".")))
    golden = load_file(suite.result(f"saes/golden/{BLOCKS[0]}.safetensors"))
    names = {"x": golden["x"]}
    exec(compile(snippets[0], "card", "exec"), names)
    torch.testing.assert_close(names["features"], golden["features"])


def test_hooking_aurora(snippets, suite, monkeypatch, capsys):
    """In the clone, the second block computes the activations that the store holds, and their features."""
    monkeypatch.chdir(suite.path)
    names = {}
    exec(compile(snippets[1], "card", "exec"), names)
    assert len(snippets) == 2
    stored = StoreReader(suite.result(f"scratch/activations/{BLOCKS[0]}/held_out/manifest.json")).read([0])[0]
    difference = names["x"] - torch.from_numpy(stored)
    assert difference.square().mean() < 1e-5 * torch.from_numpy(stored).var()
    assert names["features"].shape == (len(stored), names["sae"].d_hidden)
    shown = re.search(r"most active features: \[(.*)\]", capsys.readouterr().out)[1].split(", ")
    totals = names["sae"].encode(names["x"]).sum(dim=0)
    assert sorted(totals[[int(j) for j in shown]].tolist()) == sorted(totals.topk(10).values.tolist())
