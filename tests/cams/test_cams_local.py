"""The user's files: which are listed, which are looked into, and what is known of them afterwards."""

import json
import os
import shutil

import numpy as np
import pytest
from aurorascope.cams.day import make_day
from aurorascope.cams.local.index import changed, files_of, load_index, note_path, unknown
from aurorascope.cams.local.listing import list_files
from aurorascope.cams.local.notes import dates_in, refresh
from aurorascope.cams.local.verify import verify_sources
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, write_json

from tests.cams.made import DATE, cams, make
from tests.cams.spellings import pair, save, with_lead


@pytest.fixture
def folder(day, tmp_path):
    """A pair in a folder of its own, a forecast, a broken file, and what is no data."""
    folder = tmp_path / "mine"
    pair(day, folder / "june" / "deep")
    save(with_lead(day.assign_coords(time=day["time"] + np.timedelta64(24, "h")), 6), folder / "forecasts.nc")
    (folder / "cams_20220620.nc").write_bytes(b"junk")
    for name in ("notes.txt", ".hidden.nc", "README"):
        (folder / name).write_text("x")
    return folder


def test_what_is_listed(folder):
    """NetCDF, GRIB and zips at any depth, by name; of patterns what they match, each once; nothing hidden."""
    names = ["cams_20220620.nc", "forecasts.nc", "june/deep/plev.nc", "june/deep/sfc.nc"]
    assert [file.name for file in list_files(str(folder))] == names
    patterns = [str(folder / "*.nc"), str(folder / "june"), str(folder / "**" / "sfc.nc")]
    assert [file.name for file in list_files(patterns)] == names
    assert [file.name for file in list_files([str(folder / "june" / "*" / "*")])] == ["plev.nc", "sfc.nc"]
    with pytest.raises(UserError, match="nothing of that name"):
        list_files([str(folder / "*.grib")])
    with pytest.raises(UserError, match="no such folder"):
        list_files(str(folder / "july"))


def test_home_and_variables(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    monkeypatch.setenv("WHERE", str(folder))
    monkeypatch.delenv("NOWHERE", raising=False)
    assert list_files("~/mine") == list_files("$WHERE") == list_files("${WHERE}/")
    with pytest.raises(UserError, match=r"cams.directory.*NOWHERE not set"):
        list_files("$NOWHERE/days")


@pytest.mark.parametrize(("name", "dates"), [
    ("2022-06-11-cams.nc.zip", ["2022-06-11"]), ("cams_20220611_00.nc", ["2022-06-11"]), ("2022.06.11/sfc.nc", ["2022-06-11"]),
    ("20220611-20220612.nc", ["2022-06-11", "2022-06-12"]), ("job-1202206119.nc", []), ("2022-06.nc", []), ("99999999.nc", []),
])
def test_dates_in_names(name, dates):
    assert dates_in(name) == dates


def test_each_file_is_looked_into_once(folder, tmp_path):
    """Dates come from the content; a broken file is known by its name and what is wrong; a forecast holds no analysis."""
    notes, work = tmp_path / "local", tmp_path / "work"
    files = list_files(str(folder))
    assert unknown(files, load_index(notes)) == [file.name for file in files]
    index = refresh(files, notes, work)
    assert index == load_index(notes) and not unknown(files, index) and not changed(files, index)
    assert {name: known["dates"] for name, known in index.items()} == {
        "cams_20220620.nc": ["2022-06-20"], "forecasts.nc": [], "june/deep/plev.nc": [DATE], "june/deep/sfc.nc": [DATE],
    }
    assert index["forecasts.nc"]["forecasts"] == ["2022-06-12"]
    assert "readable NetCDF" in index["cams_20220620.nc"]["problem"]
    assert [file.name for file in files_of(DATE, files, index)] == ["june/deep/plev.nc", "june/deep/sfc.nc"]
    times = {path: path.stat().st_mtime_ns for path in notes.glob("*.json")}
    refresh(list_files(str(folder)), notes, work)
    assert {path: path.stat().st_mtime_ns for path in notes.glob("*.json")} == times
    assert not work.exists()

    # Copied anew under its old time: looked into again, and its note stays as it is.
    file = folder / "june" / "deep" / "sfc.nc"
    shutil.copy2(file, tmp_path / "copy.nc")
    os.replace(tmp_path / "copy.nc", file)
    files = list_files(str(folder))
    assert changed(files, index) == ["june/deep/sfc.nc"]
    index = refresh(files, notes, work)
    note = note_path(notes, "june/deep/sfc.nc")
    assert note.stat().st_mtime_ns == times[note] and not changed(files, index)


def test_a_damaged_index_is_made_again(folder, tmp_path):
    notes = tmp_path / "local"
    files = list_files(str(folder))
    index = refresh(files, notes, tmp_path / "work")
    for spoilt in ("", "{", "[]", '{"files": 3}'):
        (notes / "index.json").write_text(spoilt)
        assert refresh(files, notes, tmp_path / "work") == index


@pytest.mark.parametrize(("date", "said"), [
    ("2022-06-12", "forecasts only, which are no analyses, in forecasts.nc"),
    ("2022-06-13", "none in 4 files .nearest: 2022-06-11"),
    ("2022-06-20", "readable NetCDF file"),
])
def test_a_day_that_is_not_there_says_what_is(folder, tmp_path, date, said):
    section = cams(source="local", directory=str(folder), train={"dates": [date]})
    with pytest.raises(UserError, match=said) as caught:
        make_day(date, tmp_path / "out" / f"{date}.json", section, (0, 12))
    assert "delete" not in caught.value.one_line()
    assert (folder / "cams_20220620.nc").read_bytes() == b"junk"


def test_a_day_says_what_it_was_read_from(folder, tmp_path):
    """Beside its record; and a file that was changed behind its time is found by what it holds."""
    out = tmp_path / "out"
    make(DATE, out, source="local", directory=str(folder))
    assert verify_sources(out, str(folder)) == []
    file = folder / "june" / "deep" / "sfc.nc"
    times = file.stat()
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    (error,) = verify_sources(out, str(folder))
    assert error.where.endswith("sfc.nc") and error.expected.startswith("sha256 ") and "index.json" in error.fix
    # Another day was read from the file as it is now: the first is still of the other.
    record = json.loads((out / f"{DATE}.source.json").read_text())
    for entry in record["files"]:
        entry["sha256"] = sha256_file(folder / entry["name"])
    write_json(out / "2022-06-12.source.json", record | {"date": "2022-06-12"})
    assert [each.where for each in verify_sources(out, str(folder))] == [error.where]
    file.unlink()
    assert verify_sources(out, str(folder)) == []


def test_what_else_lies_in_a_folder(day, tmp_path):
    """A link to nowhere, a link to the folder itself, names that are no UTF-8, and broken files that nothing needs."""
    folder = tmp_path / "mine"
    pair(day, folder)
    (folder / "gone.nc").symlink_to("/nowhere/x.nc")
    (folder / "loop").symlink_to(folder)
    shutil.copy(folder / "plev.nc", os.fsencode(folder) + b"/m\xe9t\xe9o.nc")
    (folder / f"stations_{DATE}.zip").write_bytes(b"PK junk")
    (folder / f"obs_{DATE}.nc").write_bytes(b"junk")
    assert len(list_files(str(folder))) == 5
    section = cams(source="local", directory=str(folder))
    make_day(DATE, tmp_path / "out" / f"{DATE}.json", section, (0, 12))
    assert "cannot be read, and nothing is missing" in (tmp_path / "out" / f"{DATE}.json").read_text()


def test_a_file_that_cannot_be_read_is_named_where_something_is_missing(day, tmp_path):
    """Its name says no date, so that nobody can know whether it is the one that holds the levels."""
    _, levels = pair(day, tmp_path / "mine")
    levels.write_bytes(levels.read_bytes()[:-1000])
    with pytest.raises(UserError, match=r"sfc.nc: expected variables t, .* not to be read: plev.nc \(.*a readable NetCDF file"):
        make_day(DATE, tmp_path / "out" / f"{DATE}.json", cams(source="local", directory=str(tmp_path / "mine")), (0, 12))


def test_a_climatology_beside_the_days(day, tmp_path):
    """GRIB messages of no date are no analyses, and no error."""
    import eccodes

    from tests.cams.spellings import grib

    path = grib(day[["t2m"]], tmp_path / "mine" / "a.grib")
    with open(path, "rb") as file:
        handle = eccodes.codes_grib_new_from_file(file)
    eccodes.codes_set(handle, "day", 0)
    with open(tmp_path / "mine" / "b.grib", "wb") as file:
        eccodes.codes_write(handle, file)
    index = refresh(list_files(str(tmp_path / "mine")), tmp_path / "local", tmp_path / "work")
    assert index["b.grib"]["dates"] == [] and index["a.grib"]["dates"] == [DATE]
