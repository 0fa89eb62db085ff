"""Labels in the workflow: alone and many at once, with other thresholds, with masks of one's own, and what goes wrong."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from aurorascope.config import from_mapping
from aurorascope.config.calendar import day_snapshots
from aurorascope.config.resolve import resolve
from aurorascope.errors import UserError
from aurorascope.labels.cost import labelled_days, labels_cost, labels_need
from aurorascope.labels.read import read_day
from aurorascope.labels.together import adopt_label_day, make_label_days

from tests.workflow.project import ROOT, tiny_config

pytestmark = pytest.mark.slow
DAYS = [f"2022-06-{day:02d}" for day in (1, 2, 3, 4, 20, 21)]
OTHER = ("--config", "labels={thresholds: {jet_speed: 20}}")


def config(**changes):
    return from_mapping(resolve(tiny_config(**changes))[0])


def labels(project):
    folder = project.result("scratch/labels")
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def labelled(suite, tmp_path_factory):
    """The suite with its labels, each date in a job of its own, on one core."""
    project = suite.copy(tmp_path_factory.mktemp("labels") / "project")
    done = project.make("labels", cores=1)
    assert project.ran(done) == ["label_day"] * len(DAYS) + ["label_reference", "labels"]
    # The demo's own threshold for smoke is low enough for four states.
    assert done.stderr.count("Labels: 4 training states are too few") == 1
    assert "which take 20: at each place carbon monoxide is low enough for sea_salt at all of these times but one." in done.stderr
    return project


@pytest.fixture
def changed(labelled, tmp_path):
    """A copy of one's own."""
    return labelled.copy(tmp_path / "project")


def test_every_date_has_its_labels_and_nothing_else_is_made(labelled, suite):
    assert sorted({name.split(".")[0] for name in labels(labelled)}) == [*DAYS, "reference"]
    day = read_day(labelled.result("scratch/labels"), DAYS[4])
    assert day.times == (f"{DAYS[4]}T12:00:00Z",) and (len(day.lat), len(day.lon)) == (19, 36)
    states = labelled.record(f"scratch/cams/{DAYS[4]}.json")["states"]
    assert day.record["made_from"]["states"] == states and len(states) == 2
    reference = labelled.record("scratch/labels/reference.json")
    assert day.record["made_from"]["reference"] == reference["content_sha256"]
    # Of the training dates alone.
    assert reference["snapshots"] == {"n": 4, "first": f"{DAYS[0]}T12:00:00Z", "last": f"{DAYS[3]}T12:00:00Z"}
    assert labelled.planned("labels") == labelled.planned() == {}
    assert labelled.result("SHA256SUMS").read_bytes() == suite.result("SHA256SUMS").read_bytes()


@pytest.mark.parametrize("calls", [2, 1])
def test_dates_in_two_processes_are_adopted(suite, labelled, tmp_path, calls):
    """On two cores, or in one call that keeps both kinds of job apart: the same bytes as one job a date on one core; nothing waits."""
    project = suite.copy(tmp_path / "project")
    if calls == 2:
        project.make("labels_together", cores=2)
        assert not (project.result("scratch/labels") / f"{DAYS[0]}.json").exists()
        project.make("labels", cores=2)
    else:
        # A core is free for the dates' own jobs while the shares are at work.
        project.make("labels_together", "labels", "--resources", "days=1000", cores=7)
    logs = [project.result(f"logs/label_day/{day}.log").read_text() for day in DAYS]
    assert all("is in its place" in log for log in logs)
    assert labels(project) == labels(labelled)
    assert not [path for path in project.result("scratch/waiting").rglob("*") if path.is_file()]


def test_a_date_is_made_together_only_where_it_is_not_there(changed, caplog):
    """What is there counts as made while it was made from the present states; what waits is adopted under its own claim."""
    results, made, mine = changed.result("."), labels(changed), config()
    caplog.set_level("INFO")
    make_label_days(mine, DAYS[:2], results)
    assert caplog.text.count("is made already") == 2
    record = changed.result(f"scratch/labels/{DAYS[0]}.json")
    text = record.read_text()
    record.write_text(text.replace(changed.record(f"scratch/cams/{DAYS[0]}.json")["states"][f"{DAYS[0]}T12:00:00Z"], "0" * 64))
    make_label_days(mine, DAYS[:2], results)
    waiting = changed.result(f"scratch/waiting/labels/{DAYS[0]}/day")
    assert waiting.is_dir() and not waiting.parents[1].joinpath(DAYS[1], "day").exists()
    assert adopt_label_day(mine, DAYS[0], results) and not adopt_label_day(mine, DAYS[0], results)
    assert labels(changed) == made


def test_adopting_imports_nothing_heavy(changed):
    """With NumPy, xarray and zarr made impossible to import, what waits is put in its place."""
    made = labels(changed)
    record = changed.result(f"scratch/labels/{DAYS[0]}.json")
    record.unlink()
    make_label_days(config(), DAYS[:1], changed.result("."))
    resolved = max((changed.path / ".snakemake/aurorascope").glob("config-*.json"), key=os.path.getmtime)
    code = (
        "import sys\nfor name in ('numpy', 'xarray', 'zarr', 'scipy', 'torch'): sys.modules[name] = None\n"
        f"from aurorascope.__main__ import main\nsys.exit(main('label_day --date {DAYS[0]} --results results'.split()))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "AURORASCOPE_CONFIG": str(resolved)}
    done = subprocess.run([sys.executable, "-c", code], cwd=changed.path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert labels(changed) == made


def test_another_threshold_makes_labels_anew_and_nothing_else(changed):
    """The reference, too: with other percentiles it is another. What is made differs in the label that is meant."""
    assert changed.planned("labels", *OTHER) == {"label_reference": 1, "label_day": 6, "labels": 1}
    assert changed.planned(*OTHER) == {}
    before = read_day(changed.result("scratch/labels"), DAYS[0]).record
    changed.make(f"results/scratch/labels/{DAYS[0]}.json", *OTHER, cores=1)
    after = read_day(changed.result("scratch/labels"), DAYS[0]).record
    assert {name for name in before["labels"] if before["labels"][name] != after["labels"][name]} == {"jet"}
    assert after["labels"]["jet"]["base_rate"] > before["labels"]["jet"]["base_rate"]
    # Only this date is of the settings that it was made with.
    assert labelled_days(config(labels={"thresholds": {"jet_speed": 20}}), changed.result(".")) == {DAYS[0]}
    with pytest.raises(UserError, match="reference.json: expected a reference of the present settings"):
        make_label_days(config(), DAYS[:1], changed.result("."))


def test_the_state_before_midnight_is_the_day_befores(labelled):
    """With midnights among the snapshots a date reads the day before, and the first one a day that has no labels."""
    words = ("--dry-run", "--cores", "1", "--config", "cams={init_hours: [0, 12]}")
    done = labelled.run("results/scratch/labels/2022-06-03.json", *words)
    (inputs,) = re.findall(r"rule label_day:\n +input: (.*)", done.stdout + done.stderr)
    assert [day for day in (*DAYS, "2022-05-31") if f"cams/{day}.json" in inputs] == DAYS[1:3]
    assert "2022-05-31" not in day_snapshots(config(cams__init_hours=[0, 12]).cams)


def write_own(folder, days, names=("wave", "aurora_seen"), rows=19, value=1, hour=12):
    """Masks of labels of one's own on the first rows of the tiny grid: what is on moves a column a date."""
    folder.mkdir(exist_ok=True)
    for place, day in enumerate(days):
        mask = np.zeros((1, 19, 36), "u1")
        mask[0, 5:8, place + 2] = value
        dims = ("time", "latitude", "longitude")
        coords = {"time": [np.datetime64(f"{day}T{hour:02d}", "ns")], "latitude": np.linspace(90, -90, 19), "longitude": np.arange(36) * 10.0}
        data = xr.Dataset({name: (dims, mask) for name in names}, coords)
        data.isel(latitude=slice(rows)).to_netcdf(folder / f"{day}.nc")


def test_masks_of_ones_own_join_and_a_changed_file_makes_its_date_alone(changed, tmp_path):
    """The folder's name has a variable; without the folder the labels are as before."""
    made, own = labels(changed), tmp_path / "my masks"
    write_own(own, DAYS)
    words, variables = ("labels", "--config", "labels={own: $DAYS/my masks}"), {"DAYS": str(tmp_path)}
    changed.make(*words, cores=1, **variables)
    day = read_day(changed.result("scratch/labels"), DAYS[1])
    assert day.labels[-2:] == ("aurora_seen", "wave") and day.record["labels"]["wave"]["kind"] == "own"
    assert np.argwhere(day.read("wave", day.times[0])[1]).tolist() == [[row, 3] for row in (5, 6, 7)]
    plain = read_day(changed.result("scratch/labels"), DAYS[1]).record["labels"]
    assert set(plain) - {"aurora_seen", "wave"} == set(day.labels[:-2])
    assert changed.planned(*words, **variables) == {}
    write_own(own, [DAYS[3]])
    assert changed.planned(*words, **variables) == {"label_day": 1, "labels": 1}
    changed.make(*words, cores=1, **variables)
    assert changed.planned(*words, **variables) == {}
    write_own(own, [DAYS[4]], names=("wave",))
    line = changed.fail(*words, **variables)
    assert f"{own}/{DAYS[4]}.nc: expected the labels of {DAYS[0]}: aurora_seen, wave, found wave. Next: write each label on" in line
    (own / f"{DAYS[2]}.nc").unlink()
    write_own(own, [DAYS[4]])
    line = changed.fail(*words, **variables)
    assert f"expected labels of {DAYS[2]} in {DAYS[2]}.nc or {DAYS[2]}.<name>.nc, found no such file. Next: add the file" in line
    again = DAYS[1], DAYS[3]
    changed.make(*(f"results/scratch/labels/{day}.json" for day in again), cores=1)
    found = labels(changed)
    assert all(found[name] == content for name, content in made.items() if name.startswith(again))
    # Nothing is to be made anew for a folder that is not there: said before, and no label is lost.
    line = changed.fail("labels", "--config", "labels={own: nowhere}")
    assert f"nowhere: expected labels of {DAYS[0]} in {DAYS[0]}.nc or {DAYS[0]}.<name>.nc, found no such folder" in line
    assert labels(changed) == found


WRONG = [
    ({"rows": 18}, "latitude: expected the states' 19 values from 90.0 to -90.0, found 18 values from 90.0 to -80.0", "labels"),
    ({"value": 2}, "wave: expected 0 and 1 alone, found 2", "labels_together"),
    ({"hour": 6}, f"time: expected {DAYS[4]}T12:00:00Z, found {DAYS[4]}T06:00:00Z", "atlas"),
    ({"names": ("jet",)}, "jet: expected an id that no label by formula has", "labels_together"),
]


def test_a_wrong_file_of_ones_own_costs_no_label(changed, tmp_path):
    """It is found before any date is tried, also where many dates are made at once; mended, its folder is used."""
    made, own = labels(changed), tmp_path / "own"
    write_own(own, DAYS)
    words = ("--config", f"labels={{own: {own}}}")
    for wrong, said, target in WRONG:
        write_own(own, [DAYS[4]], **wrong)
        line = changed.fail(target, *words)
        assert line.startswith(f"{own}/{DAYS[4]}.nc, {said}")
        assert labels(changed) == made and not changed.result("scratch/waiting/labels").exists()
    write_own(own, [DAYS[4]])
    assert changed.planned("labels", *words) == {"label_day": len(DAYS), "labels": 1}


def test_labels_of_other_thresholds_that_snakemake_does_not_remember_are_refused(changed):
    """Copied without its memory they would pass for those of the present ones, in an atlas, too."""
    shutil.rmtree(changed.path / ".snakemake" / "metadata")
    line = changed.fail("--dry-run", "labels", *OTHER)
    assert line.startswith("results/scratch/labels/reference.json: expected references of labels of the present configuration")
    changed.result("scratch/labels/reference.json").unlink()
    line = changed.fail("--dry-run", "labels", *OTHER)
    assert "expected days of labels of the present configuration" in line and "rm -f results/scratch/labels/????-??-??.json" in line
    for day in DAYS:
        changed.result(f"scratch/labels/{day}.json").unlink()
    assert changed.planned("labels", *OTHER) == {"label_reference": 1, "label_day": len(DAYS), "labels": 1}
    assert set(changed.planned("labels")) == {"label_reference", "label_day", "labels"}


@pytest.mark.parametrize("wrong", ["states", "date"])
def test_what_goes_wrong_is_said_in_one_line(changed, wrong):
    record = changed.result(f"scratch/labels/{DAYS[0]}.json")
    if wrong == "states":
        record.unlink()
        shutil.rmtree(changed.result(f"scratch/cams/{DAYS[0]}.zarr"))
        line = changed.fail(f"results/scratch/labels/{DAYS[0]}.json")
        assert f"{DAYS[0]}.zarr: expected the states of {DAYS[0]}, found no such folder. Next: rm -f " in line
    else:
        line = changed.fail("results/scratch/labels/2022-07-01.json")
        assert line.startswith("date 2022-07-01: expected a date with a configured snapshot")


def test_damaged_labels_are_found(changed):
    """A byte of a day, a byte of the reference, and a group that is gone: each with the command that makes it again."""
    folder = changed.result("scratch/labels")
    damaged = [folder / f"{DAYS[0]}.zarr" / "field" / "c" / "0" / "0" / "0" / "0", folder / "reference.nc"]
    for path in damaged:
        raw = bytearray(path.read_bytes())
        raw[len(raw) // 2] ^= 4
        path.write_bytes(raw)
    shutil.rmtree(folder / f"{DAYS[5]}.zarr")
    done = changed.run("-c1", "verify")
    lines = [line for line in done.stdout.splitlines() if "labels" in line]
    assert done.returncode and "1 references of labels, 6 days of labels" in lines[-1] and lines[-1].endswith(": 3 damaged.")
    assert [DAYS[0] in lines[1], "reference.nc" in lines[0], DAYS[5] in lines[2]] == [True] * 3
    assert all(" Next: rm -f results/scratch/labels/" in line for line in lines[:-1])


def test_the_plan_counts_what_is_written(labelled):
    """Room of the six dates: files and folders to the last one, bytes nearly; dates that are there are taken off."""
    mine, folder = config(), labelled.result("scratch/labels")
    days = [path for day in DAYS for path in (folder / f"{day}.json", folder / f"{day}.zarr", *(folder / f"{day}.zarr").rglob("*"))]
    n_labels = len(read_day(folder, DAYS[0]).labels)
    need = labels_need(len(DAYS), len(DAYS), n_labels, (19, 36))
    assert need.inodes == len(days)
    assert need.content == pytest.approx(sum(path.stat().st_size for path in days if path.is_file()), rel=0.15)
    whole, done = (labels_cost(mine, (19, 36), found) for found in (frozenset(), labelled_days(mine, labelled.result("."))))
    assert whole.rows[2][2].endswith(f"{need.inodes} files and folders") and whole.rows[0][2].endswith("no dates there yet")
    assert done.rows[2][1] == "0 bytes" and done.rows[0][2].endswith("6 dates already there")
    text = labelled.run("-c1", "plan").stdout
    assert "6 dates already there" in text and text.index("Labels, with") < text.index("\nSpace\n")
