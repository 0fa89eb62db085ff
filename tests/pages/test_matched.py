"""Pages name the features of other stages that are matched with one, where blocks were matched, and are as before where none was."""

import logging

import numpy as np
import pandas as pd
import pytest
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, write_json, write_table
from aurorascope.matching.pair import across_stages
from aurorascope.matching.read import matched_elsewhere
from aurorascope.pages.block_page import write_block_page

from tests.pages.built import BLOCKS
from tests.pages.scripts import read_block

ONE, DEEPER, BEFORE = BLOCKS[1], "encoder_s1_b2", "encoder_s0_b0"
SHA = {ONE: "a" * 64, DEEPER: "d" * 64, "decoder_s2_b5": "e" * 64, BEFORE: "b" * 64}


def write_match(results, a, b, rows, saes=None):
    """Matches (feature, feature, sign, score, above chance) as `match_features` writes them; returns the record's path."""
    path = results / f"matches/{a}__{b}.json"
    columns = dict(zip(("feature_a", "feature_b", "sign", "score", "is_above_chance"), zip(*rows, strict=True), strict=True))
    types = {"feature_a": np.int32, "feature_b": np.int32, "is_above_chance": "boolean"}
    write_table(path.with_suffix(".parquet"), pd.DataFrame(columns).astype(types))
    digest = sha256_file(path.with_suffix(".parquet"))
    write_json(path, {"kind": "match", "a": a, "b": b, "sae_sha256": saes or [SHA[a], SHA[b]], "table_sha256": digest})
    return path


@pytest.fixture
def results(tmp_path):
    """Matches of a block with one of its stage, which directions tell already, and with two of others."""
    write_match(tmp_path, BEFORE, ONE, [(0, 0, 1, 1.0, True)])
    write_match(tmp_path, ONE, DEEPER, [(0, 9, 1, 0.8, True), (1, 4, -1, 0.61239, True), (2, 7, 1, 0.2, False), (3, 3, 1, 0.9, None)])
    write_match(tmp_path, ONE, "decoder_s2_b5", [(1, 5, 1, 0.7, True)])
    write_match(tmp_path, BEFORE, DEEPER, [(0, 9, 1, 0.5, True)])
    return tmp_path


def found(results, block, saes=SHA):
    return matched_elsewhere(across_stages(results, list(SHA)), block, saes)


def test_a_block_has_what_is_matched_with_it_above_chance(results):
    """From either side of a pair; of its own stage directions tell; negative where signs are turned."""
    rows = found(results, ONE).to_dict("split")["data"]
    assert rows == [[0, DEEPER, 9, 0.8], [1, DEEPER, 4, -0.61239], [1, "decoder_s2_b5", 5, 0.7]]
    assert found(results, DEEPER).to_dict("split")["data"] == [[4, ONE, 1, -0.61239], [9, BEFORE, 0, 0.5], [9, ONE, 0, 0.8]]
    assert len(found(results, "decoder_s1_b0", SHA | {"decoder_s1_b0": "f" * 64})) == 0


def test_a_match_of_another_sae_is_left_out_and_a_damaged_one_is_said(results, caplog):
    with caplog.at_level(logging.WARNING):
        assert set(found(results, ONE, SHA | {DEEPER: "0" * 64})["block"]) == {"decoder_s2_b5"}
    assert f"{ONE}__{DEEPER}.json is of other SAEs than the atlases" in caplog.text
    table = results / f"matches/{ONE}__{DEEPER}.parquet"
    table.write_bytes(table.read_bytes() + b"x")
    with pytest.raises(UserError, match="sha256"):
        found(results, ONE)


def test_a_page_names_them_with_their_labels(built, results, tmp_path):
    labels = {DEEPER: {(9, 1): "dust"}}
    write_block_page(tmp_path / "atlas", built.atlases[ONE], built.grid, built.near[ONE], BLOCKS, labels=labels, matched=found(results, ONE))
    _, details, _ = read_block(tmp_path / "atlas", ONE)
    label = "dust" if built.atlases[ONE].shows_labels else ""
    assert details[0]["matched"] == [{"block": DEEPER, "feature": 9, "sign": 1, "correlation": 0.8, "label": label}]
    assert [(each["block"], each["feature"], each["sign"], each["correlation"]) for each in details[1]["matched"]] == [
        (DEEPER, 4, -1, -0.612), ("decoder_s2_b5", 5, 1, 0.7)
    ]
    assert "matched" not in details[2] and details[2]["near"]


def test_a_page_without_them_is_as_before(built, tmp_path):
    """No script has another byte: neither without matches nor with none above chance."""
    pages = []
    for name, matched in (("none", None), ("empty", found(tmp_path, ONE))):
        write_block_page(tmp_path / name, built.atlases[ONE], built.grid, built.near[ONE], BLOCKS, matched=matched)
        pages.append({path.name: path.read_bytes() for path in sorted((tmp_path / name).rglob("*")) if path.is_file()})
    assert pages[0] == pages[1] and len(pages[0]) > 2
