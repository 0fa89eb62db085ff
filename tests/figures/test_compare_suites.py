"""The script that compares two suites: one block trained by either recipe, and suites that cannot be compared."""

import json
import runpy
import sys

import pandas as pd
import pytest

from tests.workflow.project import BLOCKS, ROOT, tiny_config

pytestmark = pytest.mark.slow
ONE = BLOCKS[1]


def compare(*words, monkeypatch):
    """Run the script."""
    monkeypatch.setattr(sys, "argv", ["compare_suites.py", *map(str, words)])
    return runpy.run_path(str(ROOT / "docs" / "examples" / "compare_suites.py"))


def test_card_against_tuned(suite, finished, tmp_path, monkeypatch, capsys):
    """The block that both suites hold is drawn, with the numbers of either index."""
    finished.configure(tiny_config(sae={"recipe": "tuned", "epochs": 5}, blocks=[ONE]))
    finished.make("results/sae_index.json")
    compare(suite.result("."), finished.result("."), tmp_path / "recipes.png", monkeypatch=monkeypatch)
    assert capsys.readouterr().out.startswith("1 blocks in both")
    (row,) = pd.read_csv(tmp_path / "recipes.csv", float_precision="round_trip").to_dict("records")
    assert (row["id"], row["recipe_first"], row["recipe_second"]) == (ONE, "card", "tuned")
    for project, side in ((suite, "first"), (finished, "second")):
        metrics = next(sae["metrics"] for sae in project.record("sae_index.json")["saes"] if sae["id"] == ONE)
        for name in ("fve", "fve_anom", "l0", "frac_dead"):
            assert row[f"{name}_{side}"] == metrics[name]
    assert row["l0_second"] < row["l0_first"]
    assert (tmp_path / "recipes.png").stat().st_size > 10_000


def test_too_few_words_are_answered_with_how_it_is_called(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match="found 1 words\n\nCompare two suites(.|\n)*compare_suites.py card/results tuned/results recipes.png"):
        compare(tmp_path, monkeypatch=monkeypatch)


def test_suites_of_other_snapshots_are_refused(suite, tmp_path, monkeypatch):
    """With other held-out snapshots the script ends with a line, and nothing is written."""
    index = suite.record("sae_index.json")
    index["activations"]["held_out_snapshots"] = index["activations"]["held_out_snapshots"][:1]
    (tmp_path / "sae_index.json").write_text(json.dumps(index))
    with pytest.raises(SystemExit, match="differ in held_out_snapshots"):
        compare(suite.result("."), tmp_path, tmp_path / "recipes.png", monkeypatch=monkeypatch)
    assert not (tmp_path / "recipes.png").exists()
