"""Equal content gives equal states, however it is spelt."""

import os
from pathlib import Path

import numpy as np
import pytest
from aurorascope.cams.grid import regular_grid
from aurorascope.cams.reader.grib import read_grib
from aurorascope.cams.reader.pieces import Found
from aurorascope.cams.validate import read_day
from aurorascope.cams.variables import ATMOS, LEVELS, SURFACE

from tests.cams.spelling_tables import DATE, READ, file_each, from_west, merged_month
from tests.cams.spellings import grib, message, pair, save

HOURS = (0, 12)


def _read(sources, date=DATE, hours=HOURS):
    return read_day(sources, date, hours, LEVELS)


@pytest.mark.parametrize("spelling", READ)
def test_the_same_states_in_another_spelling(spelling, day, tmp_path):
    """Bit for bit, axes included, without files left open for writing or anything left behind."""
    sources = READ[spelling](day, tmp_path)
    states = _read(sources).states
    assert states.equals(day)
    for name in ("latitude", "longitude", "level"):
        assert states[name].dtype == day[name].dtype and states[name].values.tobytes() == day[name].values.tobytes()


def test_what_was_done_is_said(day, tmp_path):
    """Turned axes, converted and missing units."""
    changed = from_west(day).isel(latitude=slice(None, None, -1))
    changed["t2m"] = (changed["t2m"].astype("f8") - 273.15).assign_attrs(units="degC")
    del changed["co"].attrs["units"]
    _, said, doubts, _ = _read(save(changed, tmp_path / "day.nc"))
    assert sorted(said) == ["latitudes turned around", "longitudes moved by 18 places", "t2m converted from degC to K"]
    assert doubts == ["no units attribute, taken to be in Aurora's: co"]


def test_geopotential_height_in_grib(day, tmp_path):
    """paramId 156, in gpm."""
    rest, heights = save(day.drop_vars("z"), tmp_path / "rest.nc"), tmp_path / "z.grib"
    with open(heights, "wb") as file:
        for t, time in enumerate(day["time"].values):
            for place, level in enumerate(day["level"].values):
                message(file, day, "z", day["z"].values[t, place] / 9.80665, time, level, param=156)
    states, expected = _read([rest, heights]).states, day["z"].values
    assert np.abs(states["z"].values - expected).max() <= 2 * np.spacing(np.abs(expected).max())


def test_grib1_of_steps_that_are_no_thousandths_of_a_degree(day, tmp_path):
    """2/3 of a degree: the format rounds the ends, the axes are exact."""
    latitude, longitude = regular_grid(271, 540)
    field = day[["t2m"]].isel(time=[0], latitude=[0], longitude=[0]).squeeze(["latitude", "longitude"], drop=True)
    field = field.expand_dims(latitude=latitude, longitude=longitude).transpose("time", "latitude", "longitude")
    found = Found()
    read_grib(grib(field, tmp_path / "day.grib", edition=1), "day.grib", found)
    (piece,) = found.pieces
    assert np.array_equal(piece.latitude.exact, latitude) and np.array_equal(piece.longitude.exact, longitude)


def test_packed_grib_is_within_its_step(day, tmp_path):
    states = _read(grib(day, tmp_path / "day.grib", "grid_simple", bits=16)).states
    for v in SURFACE + ATMOS:
        for place in [slice(None)] if v.kind == "surface" else range(13):
            field, found = day[v.netcdf].values, states[v.netcdf].values
            field, found = (field, found) if v.kind == "surface" else (field[:, place], found[:, place])
            step = 2 * (field.max() - field.min()) / 65535
            assert np.abs(found - field).max() <= step


def test_a_grid_without_the_south_pole(day, tmp_path):
    """36 of 37 rows, as Aurora itself crops them, and rows half a step off the poles."""
    part = day.isel(latitude=slice(18))
    assert _read(save(part, tmp_path / "a.nc")).states.equals(part)
    half = part.assign_coords(latitude=90 - (np.arange(18) + 0.5) * 10)
    assert _read(save(half, tmp_path / "b.nc")).states.equals(half)


def test_constant_fields_and_small_negatives_are_listed(day, tmp_path):
    changed = day.copy(deep=True)
    changed["tcso2"].values[:] = 0
    changed["q"].values[0, 0, 3, 4] = -1e-9
    unusual = _read(save(changed, tmp_path / "day.nc")).unusual
    assert len(unusual) == 2 and unusual[0] == "tcso2 0 everywhere" and unusual[1].startswith("q at 50 hPa -1e-09")


@pytest.mark.skipif("AURORASCOPE_REAL_DATA" not in os.environ, reason="AURORASCOPE_REAL_DATA names no folder of real meteorology")
@pytest.mark.parametrize("date", ["2011-01-15", "2011-10-11"])
def test_real_meteorology_in_other_spellings(date, tmp_path):
    """GRIB of both editions and packings, a file a variable, a month with valid_time, the example notebook's pair."""
    day = _read(Path(os.environ["AURORASCOPE_REAL_DATA"]) / "ads" / f"{date}.zip", date).states
    makers = {
        "GRIB1": lambda folder: [grib(day, folder / "a.grib", edition=1)],
        "GRIB2": lambda folder: [grib(day, folder / "a.grib")],
        "a file a variable": lambda folder: file_each(day, folder),
        "a month": lambda folder: merged_month(day, folder),
        "the example notebook's": lambda folder: pair(day, folder, (f"{date}-cams-surface-level.nc", f"{date}-cams-atmospheric.nc")),
    }
    for name, make in makers.items():
        assert _read(make(tmp_path / name), date).states.equals(day), name
    packed = _read(grib(day, tmp_path / "packed.grib", "grid_simple"), date).states
    for v in SURFACE + ATMOS:
        step = 2 * float(day[v.netcdf].max() - day[v.netcdf].min()) / 65535
        np.testing.assert_allclose(packed[v.netcdf].values, day[v.netcdf].values, rtol=0, atol=step)
