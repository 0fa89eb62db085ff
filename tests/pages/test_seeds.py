"""Pages show which features other seeds found, where they were compared, and nothing of a comparison of another SAE."""

import dataclasses
import logging

import numpy as np
import pytest
from aurorascope.errors import UserError
from aurorascope.measures.stability.found import SEED_COLUMNS
from aurorascope.pages.block_page import write_block_page
from aurorascope.pages.read import read_seeds

from tests.atlas.seeds import BOTH, DEAD, SHA, write_comparison
from tests.pages.built import BLOCKS
from tests.pages.scripts import read_block, words_of

ONE, OTHER = BLOCKS


def of_sae(atlas, sha=SHA):
    """The same atlas, of an SAE with a digest."""
    return dataclasses.replace(atlas, summary={**atlas.summary, "sae_sha256": sha})


def page(built, atlas, folder):
    write_block_page(folder, atlas, built.grid, built.near[atlas.block_id], BLOCKS)
    return read_block(folder, atlas.block_id)


def test_a_block_with_a_comparison_shows_it(built, tmp_path):
    write_comparison(tmp_path, ONE)
    table, details, _ = page(built, read_seeds(of_sae(built.atlases[ONE]), tmp_path), tmp_path / "atlas")
    matched = [at for at, words in enumerate(words_of(table["columns"]["badges"])) if "seed_match" in words.split(",")]
    assert matched == [at for at in range(BOTH) if at != DEAD]
    assert [detail["facts"]["seeds_matched"] for detail in details][BOTH - 1 : BOTH + 1] == [2, 1]
    assert details[0]["facts"]["seed_match"] == pytest.approx(1) and details[DEAD]["facts"]["seed_match"] is None
    assert details[0]["facts"]["seeds_compared"] == 2
    assert '<option>seed_match</option>' in (tmp_path / f"atlas/{ONE}.html").read_text()


def test_a_block_without_one_shows_nothing(built, tmp_path):
    write_comparison(tmp_path, ONE)
    table, details, _ = page(built, read_seeds(of_sae(built.atlases[OTHER]), tmp_path), tmp_path / "atlas")
    assert words_of(table["columns"]["badges"]) == built.atlases[OTHER].tables["features"]["badges"].tolist()
    assert all(detail["facts"][name] is None for detail in details for name in SEED_COLUMNS)


def test_a_comparison_of_another_sae_is_left_out_and_a_damaged_one_is_said(built, tmp_path, caplog):
    record = write_comparison(tmp_path, ONE, "b" * 64)
    with caplog.at_level(logging.WARNING):
        found = read_seeds(of_sae(built.atlases[ONE]), tmp_path).tables["features"]
    assert found[list(SEED_COLUMNS)].isna().all(axis=None) and "another SAE" in caplog.text
    table = record.with_name("matches.parquet")
    table.write_bytes(table.read_bytes() + b"x")
    with pytest.raises(UserError, match="sha256"):
        read_seeds(of_sae(built.atlases[ONE], "b" * 64), tmp_path)


def test_overlaps_stand_among_a_features_facts(built):
    """What two dates share, beside both expectations, to the digits that a page keeps."""
    _, details, _ = read_block(built.folder, ONE)
    features = built.atlases[ONE].tables["features"]
    for name in ("lock", "lock_expected", "lock_random"):
        shown = np.array([np.nan if detail["facts"][name] is None else detail["facts"][name] for detail in details])
        np.testing.assert_allclose(shown, features[name], rtol=1e-3)
