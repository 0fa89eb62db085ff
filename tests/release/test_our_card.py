"""The model card that we generate: its snippets run as they stand, on the run that it describes.

The published card's own hook snippet cannot run on the demo as it stands, which `test_card_snippets.py` shows with what
it needs changed: it takes its batch from a package of its authors, fetches the checkpoint from a model hub, builds the
512-wide model, and reshapes to 1,024 channels. Its `output[0]` drops the batch dimension of a tensor, which is harmless
for one snapshot only. Ours reads checkpoint, batch and SAE of the run through the library.
"""

import re

import pytest
import torch
import yaml
from aurorascope.activations.reader import StoreReader
from aurorascope.release.card import model_card
from aurorascope.release.index import DATASET
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


def test_front_matter_is_what_a_model_hub_reads(suite):
    """YAML at the very top: licence, base model, library and tags."""
    opening, front, _ = suite.result("README.md").read_text().split("---\n", 2)
    content = yaml.safe_load(front)
    assert opening == "" and set(content) == {"license", "base_model", "library_name", "tags"}
    assert (content["license"], content["base_model"]) == ("mit", "microsoft/aurora")
    assert "sparse-autoencoder" in content["tags"] and len(set(content["tags"])) == len(content["tags"])
    assert all(re.fullmatch(r"[a-z0-9-]+", tag) for tag in content["tags"])


@pytest.mark.parametrize("dataset", [DATASET, f"local, in the layout of {DATASET}"])
@pytest.mark.parametrize(("last", "years"), [("2023-06-26T12:00:00Z", "2022–2023"), ("2022-12-31T12:00:00Z", "2022")])
def test_cams_is_credited_in_the_words_of_its_licence(suite, dataset, last, years):
    """With CAMS data both notices, their years, and who is not responsible; Aurora's authors in any case."""
    index = suite.record("sae_index.json")
    index["activations"] |= {"dataset": dataset, "held_out_snapshots": ["2022-06-20T12:00:00Z", last]}
    text = " ".join(model_card(index).split("## Licence and attribution")[1].split())
    assert f"Generated using Copernicus Atmosphere Monitoring Service information {years}." in text
    assert f"Contains modified Copernicus Atmosphere Monitoring Service information {years}." in text
    assert "Neither the European Commission nor ECMWF is responsible for any use that may be made of" in text
    assert "Bodnar et al. 2025" in text and "MIT licence" in text and "no CAMS data" not in text


def test_the_demo_credits_no_cams(suite):
    """An idealised atmosphere is not passed off as CAMS."""
    text = suite.result("README.md").read_text().split("## Licence and attribution")[1]
    assert "no CAMS data are in these SAEs" in text and "Copernicus" not in text
    assert "_OF_" not in text and "YEARS" not in text
