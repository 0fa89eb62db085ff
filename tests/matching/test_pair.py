"""What a target may name, and the one line for what it may not."""

import pytest
from aurorascope.errors import UserError
from aurorascope.files import write_json
from aurorascope.matching.pair import CORRELATION, COSINE, FOLDER, across_stages, read_pair

from tests.config.raw import put, typed

BLOCKS = ["encoder_s1_b5", "encoder_s1_b6", "encoder_s2_b0", "decoder_s1_b0"]
DATES = {"cams": {"train": {"dates": ["2022-06-01"]}, "held_out": {"dates": ["2022-07-01"]}}}
A, B = BLOCKS[:2]


def config(**changes):
    raw = {**DATES, "blocks": BLOCKS, "aurora": {"embed_dim": 16}}
    for key, value in changes.items():
        put(raw, key.replace("__", "."), value)
    return typed(raw)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder that runs are started in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_suite(here, name="card", block=A, released_as="relu", d_model=32, checkpoint="c" * 64, statistics="s" * 64):
    folder = here / FOLDER / name
    record = {"kind": "sae", "format": 2, "block": block, "released_as": released_as, "d_model": d_model, "checkpoint_sha256": checkpoint}
    write_json(folder / "saes" / f"sae_{block}.json", record)
    (folder / "saes" / f"sae_{block}.pt").write_bytes(b"")
    write_json(folder / "evaluation" / f"{block}.json", {"kind": "evaluation", "statistics_sha256": statistics})
    return folder


def line(here, a, b, **changes):
    with pytest.raises(UserError) as error:
        read_pair(a, b, config(**changes), here / "results")
    return error.value.one_line()


def test_blocks_of_one_stage_have_directions_in_common_and_others_dates(here):
    for a, b, how in ((A, B, COSINE), (A, BLOCKS[2], CORRELATION), (A, BLOCKS[3], CORRELATION)):
        pair = read_pair(a, b, config(), here / "results")
        assert (pair.a, pair.b, pair.suite, pair.second, pair.how) == (a, b, None, b, how)
        assert pair.folder(here / "results") == here / "results"


def test_another_suite_is_a_folder_in_suites(here):
    """Its blocks may be the same, come first, or be none of the configured ones."""
    write_suite(here)
    write_suite(here, "year.2024", "encoder_s1_b2")
    pair = read_pair(A, f"card.{A}", config(), here / "results")
    assert (pair.second, pair.how, pair.folder(here / "results")) == (f"card.{A}", COSINE, FOLDER / "card")
    assert read_pair(A, "year.2024.encoder_s1_b2", config(), here / "results").suite == "year.2024"


@pytest.mark.parametrize(("a", "b", "words"), [
    ("encoder_s1_c5", B, "a block of Aurora, or SUITE.BLOCK after the two underscores, found 'encoder_s1_c5'. Next: take encoder_s1_b5"),
    (A, "encoder_s9_b6", "found 'encoder_s9_b6'. Next: take encoder_"),
    (f"card.{A}", B, f"found 'card.{A}'. Next: take {A}"),
    (A, A, f"found {A} twice. Next: name another, or one of a suite in suites/"),
    (B, A, f"before {A}. Next: ask for "),
    (A, "encoder_s1_b7", "configured blocks, which have SAEs, found encoder_s1_b7. Next: add it to the config key blocks"),
    ("encoder_s1_b7", f"card.{A}", "configured blocks, which have SAEs, found encoder_s1_b7"),
    (A, f"card.{A}", "suites/card: expected the folder of another suite, found none. Next: copy a release there, or make a link: ln -s"),
])
def test_names_that_cannot_be_matched(here, a, b, words):
    assert words in line(here, a, b)


def test_the_right_name_of_a_pair_in_the_wrong_order(here):
    assert line(here, B, A).endswith(f"matches/{A}__{B}.json")


def test_too_many_features_to_match(here):
    assert "at most 20,000 features" in line(here, A, BLOCKS[2], sae__expansion=400)
    # Of directions only those that are on are matched, which nobody knows yet.
    assert read_pair(A, B, config(sae__expansion=800), here / "results").how == COSINE


@pytest.mark.parametrize(("made", "words"), [
    ({"name": "crad"}, "suites/card: expected the folder of another suite, found only crad. Next: take crad"),
    ({"block": "encoder_s1_b6"}, f"record and weights of an SAE of {A}, found those of 1 blocks. Next: take encoder_s1_b6"),
    ({"released_as": "abstopk"}, "features without signs, as this run's, relu, found features with signs. Next: match suites of one kind"),
    ({"d_model": 64}, "an SAE of 32 channels, as aurora.embed_dim has it, found 64. Next: match suites of one Aurora"),
    ({"checkpoint": "d" * 64}, "an SAE of this run's checkpoint cccccccccccc, found one of dddddddddddd"),
    ({"statistics": None}, "which features are ever on, and its record, found none; older results lack it"),
])
def test_suites_that_cannot_be_matched(here, made, words):
    """Before anything is made: the run has a checkpoint, and nothing else."""
    write_json(here / "results/scratch/checkpoint/checkpoint.json", {"kind": "checkpoint", "sha256": "c" * 64})
    write_suite(here, **made)
    assert words in line(here, A, f"card.{A}")


def test_signs_of_both_kinds(here):
    write_suite(here)
    assert "features with signs, as this run's, abstopk" in line(here, A, f"card.{A}", sae__architecture="abstopk", sae__target_l0=4)


def test_records_across_stages_are_found_in_forward_order(here):
    for a, b in ((A, B), (A, BLOCKS[2]), (B, BLOCKS[3]), (BLOCKS[2], "decoder_s1_b1")):
        write_json(here / f"results/matches/{a}__{b}.json", {})
    found = across_stages(here / "results", BLOCKS[::-1])
    assert [path.stem for path in found] == [f"{A}__{BLOCKS[2]}", f"{B}__{BLOCKS[3]}"]
