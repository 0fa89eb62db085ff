"""README and docs run as they stand: their Python on the finished tiny suite, their Snakemake commands in a dry run."""

import contextlib
import re
import shlex

import pytest
import torch
from aurorascope import Suite

from tests.workflow.project import BLOCKS, ROOT

pytestmark = pytest.mark.slow
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# The block that loads an SAE with torch alone says that it runs in the release's folder.
_IN_RELEASE = "from aurora_sae import"


def blocks(page, language=""):
    """Code blocks of a page in one language, those in lists included."""
    found = re.findall(r"^ *```(\w*)\n(.*?)^ *```$", page.read_text(), re.DOTALL | re.MULTILINE)
    return [text for name, text in found if name == language]


def commands(page):
    """Words of the page's `.venv/bin/snakemake` commands, those that only unlock left out."""
    lines = [line.strip() for block in blocks(page) for line in block.splitlines()]
    lines += re.findall(r"`(\.venv/bin/snakemake [^`]*)`", page.read_text())
    found = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith(".venv/bin/snakemake ")]
    return [tuple(words) for words in found if "--unlock" not in words]


STUDY = """
block: encoder_s0_b0
features: [1]
edit: ablate
dates: [2022-06-03]
outcomes: [{kind: linear, name: temperature, variable: 2t}]
"""
OUTCOME = "{variable: 2t, date: 2022-06-20}"
ALL = sorted({words for page in PAGES for words in commands(page)})


@pytest.fixture(scope="module")
def project(suite, tmp_path_factory):
    """A copy of the finished suite, which dry runs leave as it is, with the labels of one's own that the docs write, studies and outcomes."""
    project = suite.copy(tmp_path_factory.mktemp("documented") / "project")
    (code,) = [text for text in blocks(ROOT / "docs" / "formats.md", "python") if "my_calm" in text]
    with contextlib.chdir(project.path):
        exec(compile(code, "docs/formats.md", "exec"), {})
    # Those that the docs write are of the demo's dates and blocks; that they are read is for tests/studies and tests/attribution.
    for name in {re.match(r"results/studies/(\w+)/", word)[1] for words in ALL for word in words if word.startswith("results/studies/")}:
        (project.path / "studies").mkdir(exist_ok=True)
        (project.path / "studies" / f"{name}.yaml").write_text(STUDY)
    for name in {re.match(r"results/attribution/(\w+)/", word)[1] for words in ALL for word in words if word.startswith("results/attribution/")}:
        (project.path / "outcomes").mkdir(exist_ok=True)
        (project.path / "outcomes" / f"{name}.yaml").write_text(OUTCOME)
    (project.path / "suites").mkdir()
    (project.path / "suites" / "card").symlink_to(suite.result(""))
    return project


def run(page, finished, monkeypatch):
    """Make what the page's Python reads by the page's own commands, then run it, block after block; returns its names."""
    for words in commands(page):
        if any(f'"{words[0]}"' in block for block in blocks(page, "python")):
            finished.make(*words)
    names = {}
    monkeypatch.syspath_prepend(str(finished.result(".")))
    for block in blocks(page, "python"):
        monkeypatch.chdir(finished.result(".") if _IN_RELEASE in block else finished.path)
        exec(compile(block, page.name, "exec"), names)
    return names


def temperature(forecast):
    return forecast.surf_vars["2t"]


def test_the_readme_opens_a_suite_finds_a_feature_and_edits_a_forecast(finished, monkeypatch, capsys):
    """The chosen feature is the strongest at its token; doubling adds its value times its row; the forecast notices."""
    names = run(ROOT / "README.md", finished, monkeypatch)
    assert str(names["suite"]) in capsys.readouterr().out and len(names["suite"]) == len(BLOCKS)
    data, sae, j = names["data"], names["sae"], names["feature"]
    place = {"lat": 10, "lon": 30, "method": "nearest"}
    values = data["value"].sel(latent_level="surface").sel(**place)
    assert values.max() == values.sel(rank=0) and 0 <= j < sae.d_hidden
    x = torch.randn(5, sae.d_model, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        added = names["double"](x) - x
        torch.testing.assert_close(added, sae.encode(x)[:, j, None] * sae.W_dec[j])
        clean = names["model"](names["load_batch"]("2022-06-03"))
    change = (temperature(names["edited"]) - temperature(clean)).abs().max()
    assert 0 < change < torch.inf


def test_using_opens_features_and_forecasts(finished, monkeypatch):
    """The page's blocks: chosen features in full, one SAE with torch alone, a block replaced by its SAE."""
    names = run(ROOT / "docs" / "using.md", finished, monkeypatch)
    assert names["data"]["activation"].sizes["feature"] == 2
    assert names["features"].shape == (3, Suite.open(finished.result("."))["encoder_s1_b5"].d_hidden)
    with torch.inference_mode():
        clean = names["model"](names["batch"])
    assert not torch.equal(temperature(names["forecast"]), temperature(clean))
    assert temperature(names["forecast"]).isfinite().all()


@pytest.mark.parametrize("words", ALL, ids=lambda words: " ".join(words))
def test_every_command_can_be_planned(project, tmp_path, words):
    """Its targets, options and keys are there: a dry run finds jobs for it, or that all is made."""
    named = [word.replace("$block", "encoder_s0_b0") for word in words]
    done = project.run(*named, "--dry-run", SCRATCH=str(tmp_path))
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_commands_are_found():
    """Those that the other tests rest on."""
    targets = {words[0] for words in ALL if not words[0].startswith("-")}
    assert {"results/saes/sae_encoder_s1_b5.pt", "results/reproduced/encoder_s1_b5.json"} <= targets
    assert len(ALL) > 10
