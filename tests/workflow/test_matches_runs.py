"""Matches by Snakemake: each block with the next, their chains and a figure; another suite; pages; and the lines of what cannot be matched."""

import shutil
from itertools import pairwise

import pandas as pd
import pytest

from tests.workflow.project import BLOCKS, Project

pytestmark = pytest.mark.slow
BLOCK = BLOCKS[1]
OTHER = f"matches/{BLOCK}__copy.{BLOCK}"


@pytest.fixture(scope="module")
def matched(suite, tmp_path_factory) -> Project:
    """A copy of the finished suite, matched by one command with itself as another suite, too."""
    project = suite.copy(tmp_path_factory.mktemp("matched") / "project")
    (project.path / "suites").mkdir()
    (project.path / "suites" / "copy").symlink_to(suite.result(""))
    project.make("matches", f"results/{OTHER}.json")
    return project


def test_one_command_matches_each_block_with_the_next(matched):
    """And follows features through them; a plain run makes none of it, and what is there is not made again."""
    pairs = [f"{a}__{b}" for a, b in pairwise(BLOCKS)]
    for pair in pairs:
        record = matched.record(f"matches/{pair}.json")
        table = pd.read_parquet(matched.result(f"matches/{pair}.parquet"))
        assert record["how"] == "correlation" and len(table) == record["n_matched"] > 50 and table["score"].mean() > 0.2
        # Two held-out dates: no chance to compare with, which is said and not passed over.
        assert record["share_above_chance"] is None and record["reason"].startswith("2 held-out dates") and table["is_above_chance"].isna().all()
    chains = matched.record("matches/chains.json")
    assert set(chains["matches_sha256"]) == set(pairs) and chains["blocks"] == list(BLOCKS) and chains["n_whole"] is None
    assert matched.result("figures/chains.png").is_file()
    assert matched.planned("matches") == {} and matched.planned() == {}


def test_a_copied_suite_is_matched_wholly(matched):
    """By directions: of the features that its evaluation found on, each with itself."""
    record, table = matched.record(f"{OTHER}.json"), pd.read_parquet(matched.result(f"{OTHER}.parquet"))
    usual = pd.read_parquet(matched.result(f"saes/statistics/{BLOCK}.parquet")).dropna(subset="active_mean")
    assert (record["how"], record["suite"], record["share_above_chance"], record["share_alike"]) == ("cosine", "copy", 1, 1)
    assert table["feature_a"].tolist() == table["feature_b"].tolist() == usual["feature"].tolist()
    evaluation = matched.record(f"evaluation/{BLOCK}.json")
    assert record["sae_sha256"] == [evaluation["sae_sha256"]] * 2 and record["statistics_sha256"] == [evaluation["statistics_sha256"]] * 2


def test_what_a_match_is_made_from_has_it_made_again(matched, tmp_path):
    """Its settings and the SAEs of another suite do; a lost table comes back alone."""
    project = matched.copy(tmp_path / "project")
    pair = f"results/matches/{BLOCKS[0]}__{BLOCKS[1]}"
    assert project.planned(f"{pair}.json", "--config", "compute={threads: 2}").get("match_features") == 1
    assert project.planned("matches", "--config", "evaluation={lat_bands: [-90, 0, 90]}").get("match_features") is None
    (project.path / f"{pair}.parquet").unlink()
    assert project.planned("matches") == {"match_features": 1, "chain_features": 1, "matches": 1}
    copied = project.path / "suites" / "copy"
    copied.unlink()
    for name in ("saes", "evaluation"):
        shutil.copytree(matched.result(name), copied / name)
    path = copied / "saes" / f"sae_{BLOCK}.json"
    path.write_text(path.read_text() + "\n")
    assert project.planned(f"results/{OTHER}.json") == {"match_features": 1}


def test_its_files_are_verified(matched, tmp_path):
    project = matched.copy(tmp_path / "project")
    assert "4 pairs of matched blocks, 1 chains of features" in project.make("verify", cores=1).stdout
    path = project.result(f"{OTHER}.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    line = project.fail("verify")
    assert f"{OTHER}.json" in line and "snakemake" in line


@pytest.mark.parametrize(("name", "words"), [
    (f"encoder_s1_c5__{BLOCK}", "found 'encoder_s1_c5'. Next: take encoder_s1_b5"),
    (f"{BLOCKS[1]}__{BLOCKS[0]}", f"ask for results/matches/{BLOCKS[0]}__{BLOCKS[1]}.json"),
    (f"{BLOCK}__encoder_s1_b6", "configured blocks, which have SAEs, found encoder_s1_b6"),
    (f"{BLOCK}__cpoy.{BLOCK}", "suites/cpoy: expected the folder of another suite, found only copy. Next: take copy"),
    (f"{BLOCK}__copy.encoder_s1_b6", "suites/copy/saes/sae_encoder_s1_b6.json: expected record and weights"),
])
def test_a_name_that_cannot_be_matched_ends_the_planning(matched, name, words):
    assert words in matched.fail(f"results/matches/{name}.json", "--dry-run")


def test_signed_and_unsigned_suites_are_not_mixed(matched):
    line = matched.fail(f"results/{OTHER}.json", "--dry-run", "--config", "sae={architecture: abstopk, target_l0: 4}", "replace_results=true")
    assert "features with signs, as this run's, abstopk, found features without signs" in line


def test_one_block_alone_has_nothing_to_be_followed_to(matched):
    assert "config key blocks: expected two blocks or more" in matched.fail("matches", "--dry-run", "--config", f"blocks=[{BLOCK}]")


def test_cores_change_no_byte(matched, tmp_path):
    project = matched.copy(tmp_path / "project")
    before = {path.name: path.read_bytes() for path in project.result("matches").iterdir()}
    shutil.rmtree(project.result("matches"))
    project.make("matches", f"results/{OTHER}.json", cores=1)
    assert {path.name: path.read_bytes() for path in project.result("matches").iterdir()} == before


def test_dropped_activations_are_computed_again_once_for_both_blocks(matched, tmp_path):
    """The same bytes, from one forward of Aurora a snapshot."""
    project = matched.copy(tmp_path / "project")
    pair = f"{BLOCKS[0]}__{BLOCKS[1]}"
    before = {path.name: path.read_bytes() for path in project.result("matches").glob(f"{pair}.*")}
    project.make(*(f"results/dropped/{block}.json" for block in BLOCKS[:2]))
    for name in before:
        project.result(f"matches/{name}").unlink()
    project.make(f"results/matches/{pair}.json")
    assert {path.name: path.read_bytes() for path in project.result("matches").glob(f"{pair}.*")} == before
    assert "Comparing features took 2 forwards of Aurora." in project.result(f"logs/match_features/{pair}.log").read_text()


def test_the_plan_counts_them(matched):
    text = matched.make("plan", cores=1).stdout
    assert "Matches of features" in text and "3 pairs already there" in text
    assert "0 by directions, 3 by what features do on held-out dates" in text
