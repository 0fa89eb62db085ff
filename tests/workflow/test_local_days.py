"""Days out of the user's own files: found by content, made again only where their own files changed."""

import os
import shutil

import numpy as np
import pytest
import xarray as xr
from aurorascope.cams.demo import write_demo_day
from aurorascope.cams.grid import regular_grid
from aurorascope.cams.validate import read_day
from aurorascope.cams.variables import LEVELS

from tests.cams.spellings import grib, pair, save, with_valid_time, zipped
from tests.workflow.project import Project, tiny_config

pytestmark = pytest.mark.slow
DAYS = ("2022-06-01", "2022-06-02", "2022-06-20", "2022-06-21")
STATES = ("results/scratch/states/train.json", "results/scratch/states/held_out.json")


@pytest.fixture
def local(tmp_path):
    """Two days in one file, one in GRIB and NetCDF, one in a zip, in a folder whose name needs quoting."""
    root = tmp_path / "it's here & there"
    folder, states = root / "days", []
    folder.mkdir(parents=True)
    for day in DAYS:
        write_demo_day(day, (0, 12), *regular_grid(19, 36), LEVELS, root / "day.zip")
        states.append(read_day(root / "day.zip", day, (0, 12), LEVELS).states)
    # Two things to be said at the end of the run.
    states[0]["tcso2"].values[:] = 0
    for state in states[:2]:
        del state["co"].attrs["units"]
    save(with_valid_time(xr.concat(states[:2], "time")), folder / "june.nc")
    # Not all of it, since a whole day of messages takes a second to read.
    grib(states[2][["t2m", "co"]], folder / "deep" / "2022-06-20.grib")
    save(states[2].drop_vars(["t2m", "co"]), folder / "deep" / "others.nc")
    zipped(pair(states[3], root / "parts"), folder / "2022-06-21-cams.nc.zip")
    config = tiny_config(
        cams__source="local", cams__directory="$DAYS/days", static={"source": "official"},
        cams__train={"dates": list(DAYS[:2])}, cams__held_out={"dates": list(DAYS[2:])},
    )
    return Project.create(root / "clone", config), folder, states


def test_only_days_whose_own_files_changed_are_made_again(local):
    """A new file, a copied one and one corrected under its old time; `verify` finds the last by its content."""
    project, folder, states = local
    variables = {"DAYS": str(folder.parent)}
    done = project.run(f"results/scratch/cams/{DAYS[0]}.json", "--cores", "1")
    assert done.returncode and "DAYS not set" in done.stderr.strip().splitlines()[-1]
    done = project.make(*STATES, **variables)
    said = [line for line in done.stderr.splitlines() if line.startswith(DAYS)]
    assert [line.split(": ", 1) for line in sorted(said)] == [
        [DAYS[0], "1 field with values that are unusual or all the same, which a large plume, or wrong units, may be the cause of: "
         "tcso2 0 everywhere"],
        [DAYS[0], "no units attribute, taken to be in Aurora's: co."],
        [DAYS[1], "no units attribute, taken to be in Aurora's: co."],
    ]
    made = {day: project.record(f"scratch/cams/{day}.json")["states"] for day in DAYS}
    assert not project.planned(*STATES, **variables)

    # Another file for another day, and a file that was copied anew, by a tool that keeps its time.
    save(states[0].assign_coords(time=states[0]["time"] + np.timedelta64(40, "D")), folder / "later.nc")
    source = folder / "june.nc"
    shutil.copy2(source, folder.parent / "june.nc")
    os.replace(folder.parent / "june.nc", source)
    done = project.make(*STATES, **variables)
    assert "june.nc" in done.stderr and "hashed again" in done.stderr
    assert project.ran(done) == []

    times = source.stat()
    corrected = xr.concat(states[:2], "time")
    corrected["t2m"].values[2:] += 1
    save(with_valid_time(corrected), source)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    done = project.run("verify", "--cores", "1", **variables)
    assert done.returncode and "june.nc: expected sha256" in done.stdout + done.stderr
    done = project.make(*STATES, **variables)
    assert project.ran(done) == ["download_day"] * 2 + ["select_states"]
    after = {day: project.record(f"scratch/cams/{day}.json")["states"] for day in DAYS}
    assert [day for day in DAYS if after[day] != made[day]] == [DAYS[1]]
    project.make("verify", **variables)
    # A day that is made learns of a file that contradicts it.
    save(states[2][["co"]] * 1.5, folder / "again.nc")
    done = project.run(*STATES, "--cores", "1", **variables)
    line = done.stderr.strip().splitlines()[-1]
    assert done.returncode and "one field of co at 2022-06-20T00:00 UTC" in line and "again.nc" in line
    (folder / "again.nc").unlink()
    project.make(f"results/scratch/cams/{DAYS[2]}.json", *STATES, **variables)
    assert {day: project.record(f"scratch/cams/{day}.json")["states"] for day in DAYS} == after
    # Made days need none of the files.
    shutil.rmtree(folder)
    assert not project.planned(*STATES, **variables)
