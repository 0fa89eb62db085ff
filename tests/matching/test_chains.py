"""Chains: planted ones over blocks of two stages, with signs, where they end, and where nothing can be said."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from aurorascope.cli import verify as verb
from aurorascope.errors import UserError
from aurorascope.figures.chains import draw_chains
from aurorascope.files import sha256_file, write_json, write_table
from aurorascope.matching.chains import chain_rows, depth_table, summary
from aurorascope.matching.make_chains import make_chains
from aurorascope.matching.read import check_chains
from aurorascope.measures.stability.compare import share_alike
from aurorascope.records import KINDS

from tests.config.raw import typed

BLOCKS = ("encoder_s0_b0", "encoder_s0_b1", "encoder_s1_b0", "encoder_s1_b1")


def link(*pairs, known=True):
    """A table of matches, of (feature, feature, sign, score); below 0.5 is not above chance."""
    a, b, sign, score = (np.array(column) for column in zip(*pairs, strict=True))
    above = pd.array(score > 0.5 if known else [None] * len(score), "boolean")
    return pd.DataFrame({"feature_a": a, "feature_b": b, "sign": sign, "score": score, "plain": np.nan, "is_above_chance": above})


# 1 -> 5 -> 2 -> 0, its sign turned twice; 2 -> 6, which ends; 7 -> 3 -> 1 begins later; 4 is like nothing.
LINKS = [
    link((1, 5, -1, 0.9), (2, 6, 1, 0.8), (4, 7, 1, 0.3)),
    link((5, 2, 1, 0.7), (6, 4, 1, 0.2), (7, 3, -1, 0.6)),
    link((2, 0, -1, 0.99), (3, 1, 1, 0.55)),
]


def record(a, b, table, chance=True, sha=("a", "b")):
    n_above = int(table["is_above_chance"].fillna(False).sum())
    return {
        "kind": "match", "a": a, "b": b, "how": "cosine", "n_features": [8, 9], "n_matched": len(table), "score_mean": float(table["score"].mean()),
        "n_above_chance": n_above if chance else None, "share_above_chance": n_above / len(table) if chance else None, "share_alike": share_alike(table["score"].to_numpy(), (8, 9)),
        "chance": {"mean": 0.3, "level": 0.5} if chance else None, "reason": "" if chance else "3 dates", "sae_sha256": list(sha),
    }


def records(tables, **kwargs):
    return [record(a, b, table, sha=(a, b), **kwargs) for a, b, table in zip(BLOCKS, BLOCKS[1:], tables, strict=False)]


def test_planted_chains_are_found():
    rows = chain_rows(BLOCKS, LINKS)
    chains = {chain: list(zip(of["depth"], of["feature"], of["sign"], strict=True)) for chain, of in rows.groupby("chain")}
    depths = sorted(rows["depth"].unique())
    assert chains == {
        0: [(depths[0], 1, 1), (depths[1], 5, -1), (depths[2], 2, -1), (depths[3], 0, 1)],
        1: [(depths[0], 2, 1), (depths[1], 6, 1)],
        2: [(depths[1], 7, 1), (depths[2], 3, -1), (depths[3], 1, -1)],
    }
    assert rows["score"].fillna(-1).tolist() == [-1, 0.9, 0.7, 0.99, -1, 0.8, -1, 0.6, 0.55]
    assert list(rows["block"][:4]) == list(BLOCKS) and rows["depth"].dtype == np.int16


def test_what_is_said_of_them():
    rows = chain_rows(BLOCKS, LINKS)
    found = summary(BLOCKS, records(LINKS), rows)
    assert (found["n_chains"], found["n_whole"], found["longest"], found["reason"]) == (3, 1, 4, "")
    # Of the first block of each stage, how many of its features have a chain to each block after it.
    assert found["reached"] == {"encoder_s0_b0": [2, 1, 1], "encoder_s1_b0": [2]}
    table = depth_table(found)
    assert table["from_encoder_s0_b0"].tolist() == [1, 2 / 8, 1 / 8, 1 / 8]
    assert table["from_encoder_s1_b0"].fillna(-1).tolist() == [-1, -1, 1, 2 / 8]
    assert table["chance_level"].fillna(-1).tolist() == [-1, 0.5, 0.5, 0.5] and table["share_above_chance"][2] == 2 / 3


def test_beyond_matches_without_a_chance_nothing_is_said():
    tables = [LINKS[0], link((5, 2, 1, 0.7), known=False), LINKS[2]]
    of = records(tables)
    of[1] = record(*BLOCKS[1:3], tables[1], chance=False)
    rows = chain_rows(BLOCKS, tables)
    found = summary(BLOCKS, of, rows)
    assert found["reached"] == {"encoder_s0_b0": [2, None, None], "encoder_s1_b0": [2]} and found["n_whole"] is None
    assert found["reason"] == "encoder_s0_b1 and encoder_s1_b0: 3 dates" and found["longest"] == 2
    assert depth_table(found)["from_encoder_s0_b0"].fillna(-1).tolist() == [1, 2 / 8, -1, -1]


def test_without_any_match_there_is_no_chain(tmp_path):
    empty = link((0, 0, 1, 0.1))
    rows = chain_rows(BLOCKS[:2], [empty])
    found = summary(BLOCKS[:2], records([empty]), rows)
    assert len(rows) == 0 and (found["n_chains"], found["n_whole"], found["longest"]) == (0, 0, 0)
    draw_chains(depth_table(found), tmp_path / "chains.png")


@pytest.fixture
def results(tmp_path):
    for a, b, table, of in zip(BLOCKS, BLOCKS[1:], LINKS, records(LINKS), strict=False):
        path = KINDS["match"].where(tmp_path, a=a, b=b)
        write_table(path.with_suffix(".parquet"), table)
        write_json(path, of | {"table_sha256": sha256_file(path.with_suffix(".parquet"))})
    return tmp_path


def config():
    return typed({"cams": {"train": {"dates": ["2022-06-01"]}, "held_out": {"dates": ["2022-07-01"]}}, "blocks": list(BLOCKS)})


def test_record_and_figure_are_the_same_bytes_again(results, tmp_path):
    found = []
    for name in ("first", "second"):
        draw_chains(make_chains(config(), results), tmp_path / name / "chains.png")
        files = [*(results / "matches").glob("chains.*"), *(tmp_path / name).iterdir()]
        found.append({path.name: path.read_bytes() for path in files})
    assert found[0] == found[1] and set(found[0]) == {"chains.json", "chains.parquet", "chains.png", "chains.csv"}


@pytest.mark.parametrize("change", [
    {"n_chains": 4}, {"n_whole": 2}, {"longest": 3}, {"reached": {"encoder_s0_b0": [2, 1, 2], "encoder_s1_b0": [2]}}, {"reason": "none"},
    {"n_matched": 2}, {"n_above_chance": 3}, {"share_above_chance": 0.9}, {"chance": {"mean": 0.3, "level": 0.6}},
], ids=str)
def test_a_record_that_says_other_than_its_table_or_matches_is_refused(results, change):
    """Numbers of chains are its table's, those of a link its match's while that is the same."""
    make_chains(config(), results)
    path = KINDS["chains"].where(results)
    check_chains(path)
    said = json.loads(path.read_text())
    is_link = set(change) <= set(said["links"][0])
    write_json(path, said | ({"links": [said["links"][0] | change, *said["links"][1:]]} if is_link else change))
    with pytest.raises(UserError, match=r"chains.json: .*, which .* gives"):
        check_chains(path)
    with pytest.raises(UserError, match="1 damaged"):
        verify(results)


def verify(results):
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    verb.run(parser.parse_args(["--results", str(results)]), config())


def test_chains_of_a_match_that_was_made_again_are_those_of_their_table(results):
    make_chains(config(), results)
    path = KINDS["match"].where(results, a=BLOCKS[0], b=BLOCKS[1])
    write_json(path, json.loads(path.read_text()) | {"n_features": [9, 9]})
    check_chains(KINDS["chains"].where(results))
    write_table(results / "matches" / "chains.parquet", chain_rows(BLOCKS, LINKS)[:-1])
    with pytest.raises(UserError, match="sha256"):
        check_chains(KINDS["chains"].where(results))


def test_matches_of_two_saes_of_a_block_are_refused(results):
    path = KINDS["match"].where(results, a=BLOCKS[1], b=BLOCKS[2])
    write_json(path, record(*BLOCKS[1:3], LINKS[1], sha=("other", BLOCKS[2])) | {"table_sha256": sha256_file(path.with_suffix(".parquet"))})
    with pytest.raises(UserError, match=f"the SAE of {BLOCKS[1]} that {BLOCKS[0]} is matched with"):
        make_chains(config(), results)
    path.with_suffix(".parquet").write_bytes(b"x")
    with pytest.raises(UserError, match="sha256"):
        make_chains(config(), results)


def test_pages_and_chains_are_made_without_aurora():
    """Importing it takes seconds, and neither has use for it."""
    code = (
        "import sys\nsys.modules['aurora'] = None\nimport aurorascope.cli.draw_atlas, aurorascope.pages.make\n"
        "import aurorascope.cli.chain_features, aurorascope.matching.read"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "workflow")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
