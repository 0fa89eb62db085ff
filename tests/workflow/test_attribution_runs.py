"""Attributions by Snakemake: from outcomes' files to records, alone and together, what is made again when, and what ends the planning."""

import contextlib
import os
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import psutil
import pytest
import yaml

from tests.workflow.project import BLOCKS, Project

pytestmark = pytest.mark.slow
# Two are enough to be made together and alone.
MINE = FIRST, LAST = BLOCKS[0], BLOCKS[-1]
OUTCOME = {"variable": "t", "level": 850, "region": {"label": "land"}, "dates": ["2022-06-20", "2022-06-21"], "exact": 3, "blocks": list(MINE)}
QUIET = ["2022-06-01", "2022-06-02", "2022-06-03", "2022-06-04"]
RECORD = f"results/attribution/warm/{FIRST}.json"
PATIENCE_S = 120


def write(project, name="warm", **changes):
    """Put an outcome's file in place; None leaves a key out."""
    (project.path / "outcomes").mkdir(exist_ok=True)
    content = {key: value for key, value in (OUTCOME | changes).items() if value is not None}
    (project.path / "outcomes" / f"{name}.yaml").write_text(yaml.safe_dump(content))


def made_files(project, name="warm"):
    """Bytes of all records and tables of an outcome."""
    paths = sorted(path for path in project.result(f"attribution/{name}").iterdir() if path.suffix in (".json", ".parquet"))
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def attributed(suite, tmp_path_factory) -> Project:
    """A copy of the finished suite with one outcome, attributed to each block by a job of its own."""
    project = suite.copy(tmp_path_factory.mktemp("attributed") / "project")
    write(project)
    project.make("attributions")
    return project


@pytest.fixture
def copied(attributed, tmp_path):
    return attributed.copy(tmp_path / "project")


def test_one_command_makes_labels_and_attributions(attributed):
    for block in MINE:
        record = attributed.record(f"attribution/warm/{block}.json")
        assert record["kind"] == "attribution" and record["outcome"] == "warm" and record["block"] == block
        assert record["dates"] == OUTCOME["dates"] and record["hour"] == 12 and record["quiet_dates"] == QUIET
        assert record["sae_sha256"] == attributed.record(f"saes/sae_{block}.json")["sha256"]
        assert set(record["labels_sha256"]) == set(OUTCOME["dates"])
        assert len(pd.read_parquet(attributed.result(f"attribution/warm/{block}.parquet")))
    assert [path.stem for path in sorted(attributed.result("scratch/labels").glob("????-??-??.json"))] == OUTCOME["dates"]
    page = attributed.result("attribution/warm/index.html").read_text()
    assert "Which features carry" in page and "atlas/" not in page and attributed.result("attribution/warm/depth.png").is_file()
    # Nothing is left to do, and a plain run asks for none.
    assert not attributed.planned("attributions", "all")


def kill_verb(project):
    """Kill the verb that runs here, forked or not."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(project.path) and process.cmdline()[1:3] in (["-m", "aurorascope"], ["-m", "tests.workflow.verbs"]):
                process.kill()


def test_all_blocks_from_the_same_passes_have_the_bytes_of_each_alone(copied):
    """After a kill, and on one core; the blocks' own jobs only put them in place, and nothing waits any longer."""
    before = made_files(copied)
    shutil.rmtree(copied.result("attribution"))
    shutil.rmtree(copied.result("scratch/attribution"))
    with ThreadPoolExecutor() as threads:
        run, deadline = threads.submit(copied.run, "attribute_together", "--cores", "1"), time.monotonic() + PATIENCE_S
        while not list(copied.result("scratch/attribution").rglob("*.safetensors")):
            assert not run.done() and time.monotonic() < deadline
            time.sleep(0.002)
        kill_verb(copied)
        assert run.result().returncode
    copied.make("attribute_together", cores=1)
    assert {path.name for path in copied.result("scratch/waiting/attribution/warm").iterdir() if path.is_dir()} >= set(MINE)
    # Where jobs ask for GPUs, none of these does.
    done = copied.run("attributions", "--dry-run", "--cores", "1", "--config", "aurora={device: auto}")
    asked = re.findall(r"wildcards: outcome=warm, block=\w+\n +resources: .*gpu=(\d)", done.stdout + done.stderr)
    assert asked == ["0"] * len(MINE)
    copied.make("attributions", cores=1)
    for block in MINE:
        assert "is in its place" in copied.result(f"logs/attribute/warm/{block}.log").read_text()
    assert made_files(copied) == before
    copied.make("attribute_together", cores=1)
    log = copied.result("logs/attribute_together/warm.log").read_text()
    assert f"{len(MINE)} of {len(MINE)} blocks have theirs already" in log


def test_cores_change_no_byte(copied):
    """Two ran side by side the first time, with position means of their own; now one alone, from the means that are there."""
    before = made_files(copied)
    copied.result(f"attribution/warm/{LAST}.parquet").unlink()
    done = copied.make("attributions", cores=1)
    assert copied.ran(done) == ["attribute", "attributions", "draw_attribution"]
    assert made_files(copied) == before


def test_its_files_are_counted_and_verified(attributed):
    said = attributed.make("verify", "plan", cores=1).stdout
    assert f"{len(MINE)} attributions," in said
    assert f"{len(MINE)} attributions already there" in said and "2 backward passes" in said
    path = attributed.result(f"attribution/warm/{LAST}.parquet")
    before = path.read_bytes(), path.stat()
    path.write_bytes(before[0][:-1] + b"x")
    try:
        line = attributed.fail("verify")
    finally:
        path.write_bytes(before[0])
        os.utime(path, ns=(before[1].st_atime_ns, before[1].st_mtime_ns))
    assert f"attribution/warm/{LAST}.json" in line and "snakemake" in line


def test_what_an_attribution_is_made_from_has_it_made_again(copied):
    """Its file and the settings of Aurora do; other outcomes do not."""
    write(copied, "cold", blocks=[LAST])
    assert copied.planned("attributions") == {"attribute": 1, "draw_attribution": 1, "attributions": 1}
    write(copied, exact=5)
    assert copied.planned(RECORD) == {"attribute": 1}
    write(copied)
    assert "attribute" in copied.planned(RECORD, "--config", "aurora={autocast: true}")


@pytest.mark.parametrize(("changes", "words", "target"), [
    ({"regio": {"label": "land"}}, "outcomes/warm.yaml, regio: expected one of the keys", "attributions"),
    ({"region": {"label": "lnad"}}, "outcomes/warm.yaml, region, label: expected one of day,", "attribute_together"),
    ({"region": {"disk": [0, 4, 20]}}, "outcomes/warm.yaml, region: expected at least one cell or token of the grid, found none of 19 x 36", RECORD),
    ({"variable": "t2", "level": None}, "outcomes/warm.yaml, variable: ", "attributions"),
    ({"dates": ["2022-07-20"]}, "outcomes/warm.yaml, dates, 2022-07-20: expected a date with a configured snapshot", "attribute_together"),
])
def test_a_wrong_file_ends_the_planning_with_a_line(attributed, changes, words, target):
    """And leaves what other outcomes have."""
    before, files = (attributed.path / "outcomes/warm.yaml").read_text(), made_files(attributed)
    try:
        write(attributed, **changes)
        assert words in attributed.fail(target)
    finally:
        (attributed.path / "outcomes/warm.yaml").write_text(before)
    assert made_files(attributed) == files


def test_an_outcome_without_a_file_names_the_nearest(attributed):
    line = attributed.fail(f"results/attribution/wam/{FIRST}.json")
    assert "outcomes/wam.yaml: expected the file of an outcome, found only warm" in line and line.endswith("take warm")


@pytest.mark.parametrize("changes", [None, {"blocks": ["encoder_s2_b1"]}])
def test_a_block_without_an_sae_ends_the_planning(attributed, changes):
    """Asked for by its target, or in a file."""
    try:
        if changes:
            write(attributed, "other", **changes)
        line = attributed.fail("results/attribution/warm/encoder_s2_b1.json" if changes is None else "attributions")
    finally:
        (attributed.path / "outcomes/other.yaml").unlink(missing_ok=True)
    assert "expected blocks with an SAE" in line and "found encoder_s2_b1" in line
