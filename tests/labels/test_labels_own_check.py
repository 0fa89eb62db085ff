"""A user's files of labels are judged before any job, each read once and remembered as long as it is the same."""

import sys

import numpy as np
import pytest
import xarray as xr
from aurorascope.cams.grid import regular_grid
from aurorascope.config import from_mapping
from aurorascope.config.resolve import resolve
from aurorascope.errors import UserError
from aurorascope.labels.own_check import Axis, OwnCheck, grid_of_states

DATES = ["2022-06-01", "2022-06-02", "2022-06-03"]
TIMES = {date: [f"{date}T00:00:00Z", f"{date}T12:00:00Z"] for date in DATES}
GRID = (Axis(10, 90.0, -90.0), Axis(12, 0.0, 330.0))


def write(folder, date, *, names=("wave",), rows=10, value=1, hours=(0, 12), end=""):
    lat, lon = regular_grid(rows, 12)
    mask_tyx = np.zeros((len(hours), rows, 12), "u1")
    mask_tyx[:, 3] = value
    times = [np.datetime64(f"{date}T{hour:02d}", "ns") for hour in hours]
    variables = {name: (("time", "latitude", "longitude"), mask_tyx) for name in names}
    folder.mkdir(exist_ok=True)
    xr.Dataset(variables, {"time": times, "latitude": lat, "longitude": lon}).to_netcdf(folder / f"{date}{end}.nc")


def check(tmp_path, dates=DATES, grid=GRID):
    OwnCheck(tmp_path / "own", TIMES, grid, tmp_path / "memory" / "own.json").check(dates)


@pytest.fixture
def own(tmp_path):
    for date in DATES:
        write(tmp_path / "own", date)
    return tmp_path / "own"


def test_a_file_is_read_once_as_long_as_it_is_the_same(own, tmp_path, monkeypatch):
    """With reading made impossible, what is remembered is enough, until a file changes or something else is asked of it."""
    check(tmp_path)
    monkeypatch.setitem(sys.modules, "aurorascope.labels.own", None)
    check(tmp_path)
    for changed in (lambda: check(tmp_path, grid=(Axis(11, 90.0, -90.0), GRID[1])), lambda: write(own, DATES[1]) or check(tmp_path)):
        with pytest.raises(ImportError):
            changed()
    monkeypatch.undo()
    check(tmp_path)


@pytest.mark.parametrize("memory", ["", "[", "{}"])
def test_a_memory_that_is_lost_or_damaged_costs_a_reading(own, tmp_path, memory):
    check(tmp_path)
    (tmp_path / "memory" / "own.json").write_text(memory)
    check(tmp_path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rows": 9}, "2022-06-02.nc, latitude: expected the states' 10 values from 90.0 to -90.0, found 9 values"),
        ({"value": 2}, "2022-06-02.nc, wave: expected 0 and 1 alone, found 2"),
        ({"hours": (0,)}, "2022-06-02.nc, time: expected 2022-06-02T00:00:00Z, 2022-06-02T12:00:00Z, found 2022-06-02T00:00:00Z"),
        ({"names": ("dust",)}, "2022-06-02.nc, dust: expected an id that no label by formula has"),
        ({"names": ("wave", "ripple")}, "2022-06-02.nc: expected the labels of 2022-06-01: wave, found ripple, wave"),
        ({"end": ".more"}, "2022-06-02.nc, wave: expected each label in one file a date, found it in two"),
    ],
)
def test_what_a_job_would_refuse_is_refused(own, tmp_path, wrong, message):
    """And again: what is wrong is not remembered as right."""
    write(own, DATES[1], **wrong)
    for _ in range(2):
        with pytest.raises(UserError) as error:
            check(tmp_path)
        assert message in error.value.one_line()
    (own / f"{DATES[1]}.more.nc").unlink(missing_ok=True)
    write(own, DATES[1])
    check(tmp_path)


def test_a_date_that_is_asked_for_alone_is_compared_with_the_first(own, tmp_path):
    """As its job does; the first is compared with all."""
    (own / f"{DATES[1]}.nc").unlink()
    check(tmp_path, DATES[2:])
    with pytest.raises(UserError, match=f"expected labels of {DATES[1]}"):
        check(tmp_path, DATES[:1])


def test_where_the_grid_is_not_known_any_will_do(tmp_path):
    for date in DATES:
        write(tmp_path / "own", date, rows=7)
    check(tmp_path, grid=None)


def test_the_grid_is_the_demos_or_that_of_a_day_that_is_there(tmp_path, demo_raw):
    demo = from_mapping(resolve(demo_raw)[0])
    rows, columns = demo.cams.demo_grid
    lat, lon = regular_grid(rows, columns)
    assert grid_of_states(demo, tmp_path) == (Axis(rows, lat[0], lat[-1]), Axis(columns, lon[0], lon[-1]))
    dates = {"train": {"dates": ["2022-06-01"]}, "held_out": {"dates": ["2022-07-01"]}}
    mine = from_mapping(resolve({"cams": {"source": "local", "directory": "days", **dates}, "static": {"source": "official"}})[0])
    assert grid_of_states(mine, tmp_path) is None
    record = tmp_path / "scratch" / "cams" / "2022-07-01.json"
    record.parent.mkdir(parents=True)
    axes = '"latitude": {"n": 7, "first": 90.0, "last": -90.0}, "longitude": {"n": 9, "first": 0.0, "last": 320.0}'
    record.write_text(f'{{"kind": "cams_day", {axes}}}')
    assert grid_of_states(mine, tmp_path) == (Axis(7, 90.0, -90.0), Axis(9, 0.0, 320.0))
