"""Studies by Snakemake: from a file to its record and no further, what is made again when, and what ends the planning with a line."""

import shutil

import pytest
import yaml

from tests.workflow.project import Project

pytestmark = pytest.mark.slow
BLOCK = "encoder_s1_b5"
STUDY = {
    "block": BLOCK, "features": [1, 2], "edit": {"clamp": 0.2}, "region": {"label": "land"}, "dates": ["2022-06-20"],
    "outcomes": [{"kind": "linear", "name": "pressure", "variable": "msl", "region": {"label": "low"}}], "n_controls": 2,
}

# In place of the keys of an edit.
CHANGED = {"block": None, "features": None, "edit": None, "region": None, "perturb": [{"scale": {"variables": ["co"], "factor": 1.5}}]}


def write(project, name="low", **changes):
    """Put a study's file in place."""
    (project.path / "studies").mkdir(exist_ok=True)
    content = {key: value for key, value in (STUDY | changes).items() if value is not None}
    (project.path / "studies" / f"{name}.yaml").write_text(yaml.safe_dump(content))


@pytest.fixture(scope="module")
def studied(suite, tmp_path_factory) -> Project:
    """A copy of the finished suite with one study, made by one command."""
    project = suite.copy(tmp_path_factory.mktemp("studied") / "project")
    write(project)
    project.make("studies")
    return project


def test_one_command_makes_labels_and_the_study(studied):
    record = studied.record("studies/low/record.json")
    assert record["dates"] == ["2022-06-20"] and record["hour"] == 12 and set(record["labels_sha256"]) == {"2022-06-20"}
    assert record["sae_sha256"] == {BLOCK: studied.record(f"saes/sae_{BLOCK}.json")["sha256"]}
    assert not record["atlas"]["is_used"]
    assert not list(studied.result("scratch/studies/arms").iterdir())
    # Of labels the study asked for its own date's, and a plain run asks for no study.
    assert [path.stem for path in sorted(studied.result("scratch/labels").glob("????-??-??.json"))] == ["2022-06-20"]
    assert not studied.planned("studies") and not studied.planned()


def test_the_same_command_draws_its_page(studied, tmp_path):
    """It names the word of the record, is listed, and is drawn again, alone, with links to an atlas that came."""
    page, word = studied.result("studies/low/index.html").read_text(), studied.record("studies/low/record.json")["word"]
    assert word in page and "atlas/" not in page and "low/index.html" in studied.result("studies/index.html").read_text()
    project = studied.copy(tmp_path / "project")
    (project.result("atlas")).mkdir()
    for name in ("index", BLOCK):
        project.result(f"atlas/{name}.html").write_text("")
    assert project.planned("studies") == {"draw_study": 1, "studies": 1}
    project.make("studies")
    assert f"../../atlas/{BLOCK}.html" in project.result("studies/low/index.html").read_text()


@pytest.mark.parametrize("name", ["effects.parquet", "fields.nc"])
def test_a_deleted_table_is_made_again(studied, tmp_path, name):
    project = studied.copy(tmp_path / "project")
    project.result(f"studies/low/{name}").unlink()
    assert project.planned("studies").get("run_study") == 1


def test_its_files_are_verified(studied, tmp_path):
    project = studied.copy(tmp_path / "project")
    assert "1 studies" in project.make("verify", cores=1).stdout
    path = project.result("studies/low/effects.parquet")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    line = project.fail("verify")
    assert "studies/low/record.json" in line and "snakemake" in line


def test_what_a_study_is_made_from_has_it_made_again(studied, tmp_path):
    """Its file and the block's atlas do; other files, other settings and another study do not, here one of changed inputs without blocks."""
    project = studied.copy(tmp_path / "project")
    write(project, "other", dates=["2022-06-21"], **CHANGED)
    assert project.planned("results/studies/low/record.json") == {}
    assert project.planned("studies").get("run_study") == 1
    write(project, seed=4)
    assert project.planned("results/studies/low/record.json") == {"run_study": 1}
    write(project)
    assert project.planned("results/studies/low/record.json", "--config", "evaluation={lat_bands: [-90, 0, 90]}") == {}
    assert "run_study" in project.planned("results/studies/low/record.json", "--config", "aurora={autocast: true}")
    place = project.result(f"atlas/{BLOCK}")
    place.mkdir(parents=True)
    (place / "summary.json").write_text('{"kind": "atlas"}')
    assert project.planned("results/studies/low/record.json") == {"run_study": 1}


@pytest.mark.parametrize(("changes", "words"), [
    ({"blok": 1}, "studies/low.yaml, blok: expected one of the keys"),
    ({"region": {"label": "lnad"}}, "studies/low.yaml, region, label: expected one of day,"),
    ({"block": "encoder_s1_c5"}, "take encoder_s1_b5"),
    ({"dates": ["2022-07-20"]}, "studies/low.yaml, dates, 2022-07-20: expected a date with a configured snapshot"),
    ({"edit": "normal"}, "studies/low.yaml, quiet_dates: "),
    ({"outcomes": [{"kind": "linier", "name": "a"}]}, "take linear"),
    (CHANGED | {"perturb": [{"scale": {"variables": ["c0"], "factor": 1.5}}]}, "studies/low.yaml, change 0, scale, variable 'c0': "),
])
def test_a_wrong_file_ends_the_planning_with_a_line(studied, tmp_path, changes, words):
    """And leaves what other studies have."""
    project = Project(studied.path)
    before = (project.path / "studies/low.yaml").read_text()
    try:
        dates = {"quiet_dates": ["2022-08-20"]} if changes.get("edit") == "normal" else {}
        write(project, **changes, **dates)
        assert words.replace("quiet_dates: ", "quiet_dates, 2022-08-20: ") in project.fail("studies", "--dry-run")
    finally:
        (project.path / "studies/low.yaml").write_text(before)


def test_a_study_without_a_file_names_the_nearest(studied):
    line = studied.fail("results/studies/lo/record.json")
    assert "studies/lo.yaml: expected the file of a study, found only low" in line and line.endswith("take low")


def test_cores_change_no_byte(studied, tmp_path):
    project = studied.copy(tmp_path / "project")
    before = {path.name: path.read_bytes() for path in project.result("studies/low").iterdir()}
    shutil.rmtree(project.result("studies"))
    project.make("results/studies/low/index.html", cores=1)
    assert {path.name: path.read_bytes() for path in project.result("studies/low").iterdir()} == before


def test_the_plan_counts_it(studied):
    text = studied.make("plan", cores=1).stdout
    assert "1 studies already there" in text and "17 forwards" in text
