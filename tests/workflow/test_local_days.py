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
    """Two days in one file, one in GRIB, one in a zip, in a folder whose name needs quoting."""
    root = tmp_path / "it's here & there"
    folder, states = root / "days", []
    folder.mkdir(parents=True)
    for day in DAYS:
        write_demo_day(day, (0, 12), *regular_grid(19, 36), LEVELS, root / "day.zip")
        states.append(read_day(root / "day.zip", day, (0, 12), LEVELS).states)
    save(with_valid_time(xr.concat(states[:2], "time")), folder / "june.nc")
    grib(states[2], folder / "deep" / "2022-06-20.grib")
    zipped(pair(states[3], root / "parts"), folder / "2022-06-21-cams.nc.zip")
    config = tiny_config(
        cams__source="local", cams__directory="$DAYS/days", static={"source": "official"},
        cams__train={"dates": list(DAYS[:2])}, cams__held_out={"dates": list(DAYS[2:])},
    )  # fmt: skip
    return Project.create(root / "clone", config), folder, states


def test_only_days_whose_own_files_changed_are_made_again(local):
    """A new file, a copied one and one corrected under its old time; `verify` finds the last by its content."""
    project, folder, states = local
    variables = {"DAYS": str(folder.parent)}
    done = project.run(*STATES, "--cores", "1")
    assert done.returncode and "DAYS not set" in done.stderr.strip().splitlines()[-1]
    project.make(*STATES, **variables)
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
    project.result(f"scratch/cams/{DAYS[3]}.json").unlink()
    done = project.make(*STATES, **variables)
    assert project.ran(done) == ["download_day"] * 3 + ["index_local"] + ["select_states"] * 2
    after = {day: project.record(f"scratch/cams/{day}.json")["states"] for day in DAYS}
    assert [day for day in DAYS if after[day] != made[day]] == [DAYS[1]]
    project.make("verify", **variables)
    # Made days need none of the files.
    shutil.rmtree(folder)
    assert not project.planned(*STATES, **variables)
