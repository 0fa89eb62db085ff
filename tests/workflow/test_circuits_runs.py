"""Circuits in whole runs of the workflow: one command, the same bytes for any number of cores, made again by what they are made from."""

import json
import shutil

import pandas as pd
import pytest

from tests.workflow.project import BLOCKS, Project

pytestmark = pytest.mark.slow
MINE = BLOCKS[0], BLOCKS[-1]
FILES = ("edges.parquet", "nodes.parquet", "record.json", "values.parquet")
OUTCOME = "{variable: 2t, region: {band: [-60, 60]}, dates: [2022-06-01, 2022-06-20], quiet_dates: [2022-06-02], exact: 0, blocks: [" + ", ".join(MINE) + "]}"
CIRCUIT = f"{{outcome: warm, blocks: [{', '.join(MINE)}], most: 2, n_sets: 1, n_partitions: 1}}"
RECORD = "results/circuits/path/record.json"


def contents(project):
    return {name: project.result(f"circuits/path/{name}").read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def traced(suite, tmp_path_factory) -> Project:
    """A copy of the finished suite with one circuit, made by one command."""
    project = suite.copy(tmp_path_factory.mktemp("traced") / "project")
    for folder, name, text in (("outcomes", "warm", OUTCOME), ("circuits", "path", CIRCUIT)):
        (project.path / folder).mkdir()
        (project.path / folder / f"{name}.yaml").write_text(text)
    project.make("circuits", cores=2)
    return project


def test_one_command_makes_attributions_the_circuit_and_its_page(traced):
    record = traced.record("circuits/path/record.json")
    assert record["kind"] == "circuit" and record["outcome"] == "warm" and record["blocks"] == list(MINE)
    assert {path.stem for path in traced.result("attribution/warm").iterdir()} == {*MINE}
    assert len(pd.read_parquet(traced.result("circuits/path/edges.parquet")))
    page = traced.result("circuits/path/index.html").read_text()
    assert record["word"] in page and "<svg" in page
    # Nothing is left to do, and a plain run asks for no circuit.
    assert not traced.planned("circuits", "all")


def test_one_core_and_no_memory_of_jobs_give_the_same_bytes(traced):
    before = contents(traced)
    shutil.rmtree(traced.result("circuits"))
    traced.make("circuits", cores=1)
    assert contents(traced) == before


def test_what_a_circuit_is_made_from_has_it_made_again(traced):
    """Its file, its outcome's and their settings do; a page is drawn again by itself."""
    traced.result("circuits/path/index.html").unlink()
    assert traced.planned("circuits") == {"draw_circuit": 1, "circuits": 1}
    traced.make("circuits", cores=1)
    assert "trace_circuit" in traced.planned(RECORD, "--config", "aurora={autocast: true}")
    path = traced.path / "circuits/path.yaml"
    path.write_text(CIRCUIT.replace("most: 2", "most: 1"))
    assert traced.planned(RECORD) == {"trace_circuit": 1}
    path.write_text(CIRCUIT)


@pytest.mark.parametrize(("changes", "words"), [
    ({"most: 2": "mots: 2"}, "circuits/path.yaml, mots: expected one of the keys"),
    ({"outcome: warm": "outcome: wram"}, "found 'wram', which has none. Next: take warm"),
    ({MINE[0]: "encoder_s7_b1"}, "expected blocks of Aurora, found 'encoder_s7_b1'"),
])
def test_a_wrong_file_ends_the_planning_with_a_line(traced, changes, words):
    path, text = traced.path / "circuits/path.yaml", CIRCUIT
    for old, new in changes.items():
        text = text.replace(old, new)
    path.write_text(text)
    try:
        assert words in traced.fail("circuits")
    finally:
        path.write_text(CIRCUIT)


def test_the_plan_counts_it_and_verify_finds_what_is_other(traced):
    said = traced.make("plan", "verify", cores=1).stdout
    assert "1 circuits already there" in said and "1 circuits," in said
    path = traced.result("circuits/path/record.json")
    before = path.read_text()
    path.write_text(json.dumps({**json.loads(before), "against": []}))
    try:
        line = traced.fail("verify")
        assert "1 damaged" in line and "rm -f results/circuits/path/record.json" in line
    finally:
        path.write_text(before)
