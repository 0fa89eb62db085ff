import errno
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from aurorascope.cams.source import open_files
from aurorascope.cams.validate import read_day
from aurorascope.cams.variables import ATMOS, LEVELS, SURFACE
from aurorascope.errors import DiskError, UserError

DATE, HOURS = "2022-06-11", (0, 12)


def _read(path, date=DATE, hours=HOURS, levels=LEVELS):
    return read_day(path, date, hours, levels).states


def test_a_good_zip(demo_zip, parts, grid):
    day, said, doubts, unusual = read_day(demo_zip, DATE, HOURS, LEVELS)
    assert said == doubts == unusual == []
    assert dict(day.sizes) == {"time": 2, "level": 13, "latitude": 19, "longitude": 36}
    assert set(day.data_vars) == {v.netcdf for v in SURFACE + ATMOS}
    assert all(day[v.netcdf].dtype == np.float32 for v in SURFACE + ATMOS)
    assert day["t"].dims == ("time", "level", "latitude", "longitude")
    assert day["msl"].dims == ("time", "latitude", "longitude")
    assert day["level"].values.tolist() == list(LEVELS)
    assert day["level"].dtype.kind == "i"
    assert day["time"].values.astype("datetime64[ns]").tolist() == (
        np.array(["2022-06-11T00", "2022-06-11T12"], "datetime64[ns]").tolist()
    )
    assert day["pm1"].attrs["units"] == "kg m**-3"
    np.testing.assert_array_equal(day["latitude"], grid[0])
    stored = parts["data_plev.nc"]["t"].isel(forecast_period=0)
    np.testing.assert_array_equal(day["t"].values, stored.values[:, ::-1])


def test_a_subset_of_levels_and_times(demo_zip):
    whole, part = _read(demo_zip), _read(demo_zip, hours=[12], levels=[850, 500])
    assert part["level"].values.tolist() == [500, 850]
    np.testing.assert_array_equal(part["q"].values, whole["q"].sel(level=[500, 850]).values[1:])


def test_an_extracted_folder(demo_zip, tmp_path):
    zipfile.ZipFile(demo_zip).extractall(tmp_path)
    assert _read(tmp_path).identical(_read(demo_zip))


def _older(data):
    """The layout of the converter before September 2024, dims time and level."""
    data = data.isel(forecast_period=0, drop=True).drop_vars("valid_time", errors="ignore")
    names = {"forecast_reference_time": "time", "pressure_level": "level"}
    data = data.rename({old: new for old, new in names.items() if old in data.dims})
    if "level" in data.dims:
        data["level"] = data["level"].astype("int32")
    for variable in data.variables.values():
        variable.encoding = {}
    return data


def test_older_names_and_packed_integers(make_zip, parts, demo_zip):
    names = {"data_sfc.nc": "levtype_sfc.nc", "data_plev.nc": "levtype_pl.nc"}
    encoding = {}
    for part, data in parts.items():
        encoding[part] = {}
        for name, field in data.data_vars.items():
            low, high = float(field.min()), float(field.max())
            packing = {"scale_factor": (high - low) / 65000, "add_offset": (high + low) / 2, "_FillValue": -32767}
            encoding[part][name] = {"dtype": "int16", **packing}
    path = make_zip(_older, "both", names, encoding, "NETCDF3_CLASSIC")
    old, new = _read(path), _read(demo_zip)
    for v in SURFACE + ATMOS:
        assert old[v.netcdf].dtype == np.float32
        step = float(new[v.netcdf].max() - new[v.netcdf].min()) / 65000
        np.testing.assert_allclose(old[v.netcdf].values, new[v.netcdf].values, rtol=1e-6, atol=1.01 * step)


def test_other_members_are_ignored(make_zip):
    path = make_zip()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("receipt-1.yaml", "dataset: cams")
        archive.writestr("notes/data.txt", "x")
    _read(path)


def test_members_in_a_folder_are_found_by_their_last_name(make_zip):
    _read(make_zip(names={"data_sfc.nc": "job-7/data_sfc.nc"}))


def _without(*names):
    return lambda data: data.drop_vars(list(names))


def _set(name, value, count=1):
    def change(data):
        data[name].values.reshape(-1)[5 : 5 + count] = value
        return data

    return change


def _later(hours):
    def change(data):
        shift = np.timedelta64(hours, "h")
        data = data.drop_vars("valid_time")
        return data.assign_coords(forecast_reference_time=data["forecast_reference_time"] + shift)

    return change


def _plain(change):
    """A change after which the stored encoding no longer fits."""

    def changed(data):
        data = change(data)
        for variable in data.variables.values():
            variable.encoding = {}
        return data

    return changed


@pytest.mark.parametrize(
    ("member", "change", "message"),
    [
        ("data_plev.nc", _without("no2"), "none named no2"),
        ("data_sfc.nc", _without("pm1", "tcso2"), "none named pm1, tcso2"),
        ("data_plev.nc", lambda d: d.drop_sel(pressure_level=700), "t, the levels 700 hPa, found only 50, 100"),
        ("data_sfc.nc", lambda d: d.isel(forecast_reference_time=[0]), "states 2022-06-11T12:00 UTC"),
        ("both", _later(24), "t2m, the states 2022-06-11T00:00, 2022-06-11T12:00 UTC.*found 2022-06-12T00:00"),
        ("both", _plain(lambda d: d.isel(forecast_reference_time=[0, 1, 1])), "each time once"),
        ("data_plev.nc", _set("co", np.nan, 3), "co at 1000 hPa: expected finite values, found 3 of 1368 .*latitude 90, longitude 50"),
        ("data_sfc.nc", _set("msl", np.inf), "msl: expected finite values, found 1 of"),
        ("data_sfc.nc", _plain(lambda d: d.astype("int32")), "floating point values, found int32"),
        ("both", _plain(lambda d: d.isel(longitude=slice(35))), "longitudes of a regular global grid, found 35 "),
        ("both", _plain(lambda d: d.isel(latitude=slice(17))), "latitudes of a regular global grid, found 17 "),
        ("data_sfc.nc", lambda d: d.assign_coords(longitude=d["longitude"] + 1), "same longitude"),
        ("data_sfc.nc", _plain(lambda d: d.expand_dims(number=2)), "dims .*number"),
        ("data_sfc.nc", _plain(lambda d: d.rename(latitude="rows").assign_coords(rows=d["latitude"].values)), "coordinate for latitude"),
        (
            "data_sfc.nc",
            lambda d: d.assign_coords(forecast_period=d["forecast_period"] + np.timedelta64(3, "h")),
            "reference time and a lead that give the valid time",
        ),
    ],
)
def test_bad_content_is_refused(make_zip, member, change, message):
    with pytest.raises(UserError, match=message) as caught:
        _read(make_zip(change, member))
    assert DATE in caught.value.where
    assert caught.value.fix


def test_more_periods_than_the_analysis(make_zip, demo_zip):
    def twice(data):
        later = data.assign_coords(forecast_period=data["forecast_period"] + np.timedelta64(3, "h")) + 1
        return xr.concat([later.drop_vars("valid_time"), data.drop_vars("valid_time")], "forecast_period")

    day = _read(make_zip(_plain(twice), "both"))
    np.testing.assert_array_equal(day["t2m"].values, _read(demo_zip)["t2m"].values)


def test_unusual_values_are_described(make_zip):
    def hot(data):
        data["go3"].values[:, 0, 0, 3, 7] = 5e-6
        data["so2"].values[0, 0, 0, 0, 0] = -5e-4 * 6e-7
        return data

    unusual = read_day(make_zip(hot), DATE, HOURS, LEVELS).unusual
    assert [phrase.split(" hPa")[0] for phrase in unusual] == ["go3 at 1000", "so2 at 1000"]


def _truncated(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_truncated, "a whole zip file"),
        (_flipped, "checksum|whole zip"),
        (lambda data: b"", "a whole zip file"),
        (lambda data: b'{"status": "failed"}', "a whole zip file"),
        (lambda data: b"CDF\x01" + data[4:100], "a whole zip file"),
    ],
)
def test_broken_zips(demo_zip, tmp_path, spoil, message):
    path = tmp_path / "bad.zip"
    path.write_bytes(spoil(demo_zip.read_bytes()))
    with pytest.raises(UserError, match=message) as caught:
        _read(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize(
    "name", ["../data_sfc.nc", "/data_sfc.nc", "a/../../data_sfc.nc", "..\\x.txt", "C:/data_sfc.nc"]
)
def test_hostile_names(demo_zip, tmp_path, zip_of, name):
    members = {info.filename: zipfile.ZipFile(demo_zip).read(info) for info in zipfile.ZipFile(demo_zip).infolist()}
    path = tmp_path / "hostile.zip"
    path.write_bytes(zip_of({**members, name: b"x"}))
    with pytest.raises(UserError, match="hostile name"):
        _read(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["hostile.zip"]
    assert not (tmp_path.parent / "data_sfc.nc").exists()


def test_a_bomb(tmp_path, zip_of):
    path = tmp_path / "bomb.zip"
    path.write_bytes(zip_of({"data_sfc.nc": bytes(30 << 20), "data_plev.nc": b"x"}, zipfile.ZIP_DEFLATED))
    with pytest.raises(UserError, match="times the packed size"):
        _read(path)


@pytest.mark.parametrize("members", [{}, {"receipt.yaml": b"x"}, {".data_sfc.nc": b"x"}])
def test_a_zip_without_data(tmp_path, zip_of, members):
    path = tmp_path / "few.zip"
    path.write_bytes(zip_of(members))
    with pytest.raises(UserError, match="expected NetCDF or GRIB files, found"):
        _read(path)


def test_members_that_are_no_netcdf(tmp_path, zip_of):
    path = tmp_path / "junk.zip"
    path.write_bytes(zip_of({"data_sfc.nc": b"junk" * 99, "data_plev.nc": b"junk" * 99}))
    with pytest.raises(UserError, match=r"data_plev.nc: expected a readable NetCDF file"):
        _read(path)


def test_nothing_there(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        _read(tmp_path / "none.zip")
    with pytest.raises(UserError, match="found nothing"):
        _read(tmp_path)


def test_a_damaged_file_in_a_folder(demo_zip, tmp_path):
    zipfile.ZipFile(demo_zip).extractall(tmp_path)
    member = tmp_path / "data_plev.nc"
    member.write_bytes(_truncated(member.read_bytes()))
    with pytest.raises(UserError, match="readable NetCDF"):
        _read(tmp_path)


def test_a_zip_is_unpacked_where_it_should_be(demo_zip, tmp_path):
    with open_files([demo_zip], "day", tmp_path) as files:
        assert [file.path.parents[1] for file in files] == [tmp_path, tmp_path]
        assert len(list(tmp_path.rglob("*.nc"))) == 2
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyboardInterrupt), open_files([demo_zip], "day", tmp_path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    assert read_day(demo_zip, DATE, HOURS, LEVELS, work=tmp_path).states.identical(_read(demo_zip))
    assert list(tmp_path.iterdir()) == []


def test_bad_content_leaves_nothing_unpacked(make_zip, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(UserError, match="none named no2"):
        read_day(make_zip(_without("no2")), DATE, HOURS, LEVELS, work=work)
    assert list(work.iterdir()) == []


@pytest.mark.parametrize("given", [True, False])
def test_a_full_folder_is_named(demo_zip, tmp_path, monkeypatch, given):
    def full(packed, plain, length):
        plain.write(packed.read(length)[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(DiskError, match="room for the unpacked files.*No space left on device") as caught:
        read_day(demo_zip, DATE, HOURS, LEVELS, work=tmp_path if given else None)
    assert caught.value.where == str(tmp_path)
    assert ("TMPDIR" in caught.value.fix) is not given
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_takes_no_more(demo_zip, tmp_path):
    """Where the system itself refuses more bytes."""
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from aurorascope.cams.validate import read_day\n"
        "from aurorascope.errors import DiskError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    read_day(sys.argv[1], '2022-06-11', (0, 12), [500], work=Path(sys.argv[2]))\n"
        "except DiskError as error:\n"
        "    print(error.one_line())\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(demo_zip), str(tmp_path)],
        capture_output=True,
        text=True,
        # Under this limit Python would leave truncated caches beside the library, and every later import would fail.
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"{tmp_path}: expected room for the unpacked files of a day, found File too large")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_to_unpack_in_that_is_not_there(demo_zip, tmp_path):
    with pytest.raises(DiskError, match="nowhere: expected room.*No such file or directory"):
        read_day(demo_zip, DATE, HOURS, LEVELS, work=tmp_path / "nowhere")


def test_members_are_never_whole_in_memory(tmp_path, zip_of):
    path = tmp_path / "large.zip"
    path.write_bytes(zip_of({"data_sfc.nc": os.urandom(12 << 20), "data_plev.nc": os.urandom(24 << 20)}))
    # In a process of its own, so that nothing but the unpacking is counted.
    code = (
        "import sys, tracemalloc\n"
        "from pathlib import Path\n"
        "from aurorascope.cams.source import open_files\n"
        "tracemalloc.start()\n"
        "with open_files([Path(sys.argv[1])], 'day', Path(sys.argv[2])) as files:\n"
        "    print(files[0].path.stat().st_size, tracemalloc.get_traced_memory()[1])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(path), str(tmp_path)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.returncode == 0, run.stderr
    size, peak = map(int, run.stdout.split())
    assert size == 24 << 20
    assert peak < 8 << 20


@pytest.mark.skipif(
    "AURORASCOPE_REAL_DATA" not in os.environ,
    reason="AURORASCOPE_REAL_DATA names no folder with ads/<date>.zip of real meteorology",
)
@pytest.mark.parametrize("date", ["2011-01-15", "2011-10-11"])
def test_real_meteorology(date, tmp_path):
    path = Path(os.environ["AURORASCOPE_REAL_DATA"]) / "ads" / f"{date}.zip"
    day = _read(path, date=date)
    assert dict(day.sizes) == {"time": 2, "level": 13, "latitude": 73, "longitude": 144}
    for v in SURFACE + ATMOS:
        for level in v.scale:
            if not v.composition:
                field = day[v.netcdf] if level is None else day[v.netcdf].sel(level=level)
                loc, scale = v.stats(level)
                assert abs(float(field.mean()) - loc) < 4 * scale, (v.netcdf, level)
    zipfile.ZipFile(path).extractall(tmp_path)
    assert _read(tmp_path, date=date).equals(day)
    shutil.rmtree(tmp_path)
