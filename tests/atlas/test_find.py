"""Features found by their labels, from the files of an atlas."""

import json
import math
import re
import shutil

import numpy as np
import pytest
from aurorascope.atlas.write import write_atlas
from aurorascope.errors import UserError
from aurorascope.release.suite import Suite

from tests.atlas.seeds import BOTH, DEAD, SHA, write_comparison

BLOCKS = ("encoder_s0_b0", "encoder_s0_b1", "encoder_s0_b2")


@pytest.fixture(scope="module")
def made(planted, tmp_path_factory):
    """A results folder in which two of three blocks have the planted atlas."""
    folder = tmp_path_factory.mktemp("results")
    for block in BLOCKS[:2]:
        write_atlas(folder / "atlas" / block, planted[1], planted[2])
    return folder


@pytest.fixture
def suite(made, tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(made, folder)
    return Suite(folder, {"saes": [{"id": block} for block in BLOCKS], "suite": {}})


def test_features_are_found_by_f1_in_the_order_of_blocks(suite, planted, caplog):
    """All pairs of the table above the bound, best choice first; equal ones in forward order; the planted feature leads."""
    found = suite.find(label="storm", min_f1=0.3)
    pairs = planted[1]["labels"]
    expected = pairs[(pairs["label"] == "storm") & (pairs["f1_test"] >= 0.3)]
    assert len(found) == 2 * len(expected) > 2
    values = [each.f1_select for each in found]
    assert values == sorted(values, reverse=True) and min(each.f1_test for each in found) >= 0.3
    assert [each.block for each in found[:2]] == list(BLOCKS[:2])
    first = found[0]
    assert (first.feature, first.verdict, first.is_shown, first.reason, first.label) == (0, "event", True, "labelled", "storm")
    others = [each for each in found if each.feature != 0]
    assert others and not any(each.is_shown and each.feature >= 2 for each in others)
    assert suite.find("storm", 0.3, blocks=[BLOCKS[1]]) == [each for each in found if each.block == BLOCKS[1]]
    ours = planted[1]["features"].set_index(["feature", "sign"])
    for each in others:
        top, reason = ours.loc[(each.feature, each.sign), ["top_label", "reason"]]
        assert each.reason == (reason if top == "storm" else f"its best label is {top}")
    assert "1 of 3 blocks have no atlas: encoder_s0_b2" in caplog.text and "different" not in caplog.text
    path = suite.root / "atlas" / BLOCKS[1] / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"atlas_config_sha256": "f" * 64}))
    suite.find("storm")
    assert "atlases of 2 different settings or labels" in caplog.text


def test_a_features_page_has_its_rows(suite, planted):
    page = suite.feature(BLOCKS[1], 0)
    row = planted[1]["features"].iloc[0]
    assert page.feature.label == row["label"] == "storm" and page.feature.f1_test == row["f1_test"] == page.columns["f1_test"]
    assert "Index" not in page.columns and page.columns["feature"] == 0
    assert page.feature.badges == tuple(filter(None, row["badges"].split(",")))
    assert list(page.labels["f1_select"]) == sorted(page.labels["f1_select"], reverse=True)
    assert (page.examples["feature"] == 0).all() and len(page.examples) > 0
    bare = suite.feature(BLOCKS[1], 6)
    assert bare.feature.label == "" and not bare.feature.is_shown and not math.isnan(bare.feature.f1_test)


def test_ones_own_names_are_read_and_stay(suite):
    path = suite.root / "atlas" / "labels.csv"
    path.write_text(f"block,feature,name,note\n{BLOCKS[0]},0,\"Wanderer, big\",seen twice\n")
    before = path.read_bytes()
    named = [each for each in suite.find("storm") if each.name]
    assert [(each.block, each.feature, each.name, each.note) for each in named] == [(BLOCKS[0], 0, "Wanderer, big", "seen twice")]
    assert suite.feature(BLOCKS[0], 0).feature.note == "seen twice" and path.read_bytes() == before
    path.write_text(f"block,feature,name\n{BLOCKS[0]},0,Wanderer\n")
    assert (suite.feature(BLOCKS[0], 0).feature.name, suite.feature(BLOCKS[0], 0).feature.note) == ("Wanderer", "")
    for text, part in (("block,feature,note\n", "none called name"), (f"block,feature,name,note\n{BLOCKS[0]},two,,\n", "two")):
        path.write_text(text)
        with pytest.raises(UserError, match=part):
            suite.find("storm")


def test_what_other_seeds_found_joins_an_atlas_of_the_same_sae(suite):
    """Where a block was compared with other seeds; a damaged table is refused, one of another SAE left out."""
    for block in BLOCKS[:2]:
        path = suite.root / "atlas" / block / "summary.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "sae_sha256": SHA}))
    record = write_comparison(suite.root, BLOCKS[0])
    page, bare = suite.feature(BLOCKS[0], BOTH - 1), suite.feature(BLOCKS[1], BOTH - 1)
    assert page.columns["seed_match"] == pytest.approx(1) and page.columns["seeds_matched"] == page.columns["seeds_compared"] == 2
    assert "seed_match" in page.feature.badges and "seed_match" not in bare.feature.badges and math.isnan(bare.columns["seed_match"])
    assert suite.feature(BLOCKS[0], BOTH).columns["seeds_matched"] == 1 and math.isnan(suite.feature(BLOCKS[0], DEAD).columns["seed_match"])
    for each in suite.find("storm"):
        assert ("seed_match" in each.badges) == (each.block == BLOCKS[0] and each.feature < BOTH and each.feature != DEAD)
    content = json.loads(record.read_text())
    record.write_text(json.dumps({**content, "sae_sha256": "b" * 64}))
    assert math.isnan(suite.feature(BLOCKS[0], 0).columns["seed_match"])
    record.write_text(json.dumps({**content, "table_sha256": "c" * 64}))
    with pytest.raises(UserError, match="matches.parquet.*sha256"):
        suite.find("storm")


def test_what_is_not_there_is_said(suite, tmp_path):
    with pytest.raises(UserError, match="snakemake --cores 2 atlas"):
        Suite(tmp_path, suite.index).find("storm")
    with pytest.raises(UserError, match=f"results/atlas/{BLOCKS[2]}/summary.json"):
        suite.feature(BLOCKS[2], 0)
    with pytest.raises(UserError, match="take storm"):
        suite.find("strom")
    with pytest.raises(UserError, match="a feature from 0 to 63"):
        suite.feature(BLOCKS[0], 64)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda suite: suite.find("storm", blocks=BLOCKS[0]),
         "blocks: expected a list of ids of blocks, found 'encoder_s0_b0'. Next: write blocks=['encoder_s0_b0']"),
        (lambda suite: suite.find("storm", blocks=[]), "blocks: expected at least one block, found an empty list"),
        (lambda suite: suite.find("storm", 1.1), "min_f1: expected a number from 0 to 1, found 1.1"),
        (lambda suite: suite.find("storm", blocks=3), "blocks: expected a list of ids of blocks, found 3. Next: write blocks=suite.select(stage=1) or"),
        (lambda suite: suite.find("storm", blocks=[[BLOCKS[0]]]), "expected a list of ids of blocks, each a text, found ['encoder_s0_b0'] among them"),
        (lambda suite: suite.find("storm", min_f1="a"), "min_f1: expected a number from 0 to 1, found 'a'. Next: write min_f1=0.3, for example"),
        (lambda suite: suite.find("storm", min_f1="0.3"), "found '0.3'. Next: write min_f1=0.3 without quotation marks"),
        (lambda suite: suite.find("storm", min_f1=math.nan), "min_f1: expected a number from 0 to 1, found nan"),
        (lambda suite: suite.find(3), 'label: expected the id of a label, as text, found 3. Next: write it in quotation marks: suite.find("jet")'),
        (lambda suite: suite.feature(BLOCKS[0], "434"),
         "feature: expected the number of a feature, a whole number from 0, found '434'. Next: write 434 without quotation marks"),
        (lambda suite: suite.feature(BLOCKS[0], 0.5), "found 0.5. Next: write 434, for example"),
        (lambda suite: suite.feature(BLOCKS[0], True), "found True. Next: write 434, for example"),
        (lambda suite: suite.feature(BLOCKS[0], 0, "1"), "sign: expected 1 or -1, found '1'. Next: leave it out, or write -1"),
        (lambda suite: suite.feature(BLOCKS[0], 0, 2), "sign: expected 1 or -1, found 2"),
        (lambda suite: suite.feature(0, 0), "block_id: expected the id of a block, as text, found 0. Next: take one of suite.ids"),
    ],
)
def test_a_wrong_type_is_said(suite, ask, said):
    with pytest.raises(UserError) as error:
        ask(suite)
    assert error.value.one_line().startswith("Suite.f") and said in error.value.one_line()


def test_numbers_of_other_libraries_are_numbers(suite):
    """As a user takes them from a table; blocks in any iterable."""
    page = suite.feature(BLOCKS[1], np.int64(0), np.int8(1))
    assert page.feature == suite.feature(BLOCKS[1], 0).feature
    found = suite.find("storm", np.float32(0.25), blocks=(block for block in BLOCKS[:1]))
    assert found == suite.find("storm", 0.25, blocks=[BLOCKS[0]]) != []
    assert suite.find("storm", 1) == suite.find("storm", 1.0)


@pytest.mark.parametrize("name", ["features", "labels"])
def test_a_table_that_was_changed_is_refused(suite, name):
    path = suite.root / "atlas" / BLOCKS[0] / f"{name}.parquet"
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(UserError, match="sha256"):
        suite.find("storm")
    path.unlink()
    with pytest.raises(UserError, match="no such file"):
        suite.find("storm")


def test_a_spoilt_summary_is_refused(suite):
    path = suite.root / "atlas" / BLOCKS[0] / "summary.json"
    path.write_text(json.dumps({})[:-1])
    with pytest.raises(UserError, match="unreadable JSON"):
        suite.find("storm")


def test_every_column_is_documented(planted, root):
    """Each column of each table and each entry of the summary stands in docs/formats.md."""
    text = (root / "docs" / "formats.md").read_text().split("## Atlas, format 1")[1].split("\n## ")[0]
    words = set(re.findall(r"`(\w+)`", text))
    assert {column for table in planted[1].values() for column in table} <= words
    assert {"settings", "splits", "gate", "nulls", "labels", "verdicts", "reasons", "verdict"} <= words & planted[2].keys()


def test_the_pages_example_runs(suite, root):
    """docs/using.md, with the planted label and feature in the place of the demo's."""
    text = (root / "docs" / "using.md").read_text().split("## Features by label")[1]
    code = re.search(r"```py\n(.*?)```", text, re.DOTALL)[1].replace('Suite.open("results")', "made").replace('"dust"', '"storm"')
    code = code.replace('"encoder_s0_b3", 24, sign=-1', f'"{BLOCKS[1]}", 0').replace('["encoder_s0_b3"]', f'["{BLOCKS[1]}"]')
    names = {"made": suite}
    exec(compile(code, "docs/using.md", "exec"), names)
    assert names["found"] == suite.find("storm", 0.3) and names["page"].feature.feature == 0
