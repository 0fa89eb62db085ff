import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from aurorascope.cams import day as day_module
from aurorascope.cams import states as states_module
from aurorascope.cams.day import make_day, write_split
from aurorascope.cams.download import fetch_day
from aurorascope.cams.states import load_state, open_states, state_digest, write_states
from aurorascope.cams.validate import read_day
from aurorascope.cams.variables import ATMOS, LEVELS, SURFACE
from aurorascope.errors import UserError
from aurorascope.files import sha256_file

DATE = "2022-06-11"
OPTIONS = {"source": "demo", "directory": None, "levels": LEVELS, "hours": (0, 12), "grid": (19, 36)}
TIMES = [f"{DATE}T00:00:00Z", f"{DATE}T12:00:00Z"]


@pytest.fixture(scope="session")
def two_days(tmp_path_factory):
    """Folder with the finished days 2022-06-11 and 2022-06-12; not to be changed."""
    folder = tmp_path_factory.mktemp("cams")
    for date in (DATE, "2022-06-12"):
        make_day(date, folder / f"{date}.json", **OPTIONS)
    return folder


@pytest.fixture
def days(two_days, tmp_path):
    return Path(shutil.copytree(two_days, tmp_path / "cams"))


def _visible(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_day_leaves(two_days):
    names = [f"{date}.{kind}" for date in (DATE, "2022-06-12") for kind in ("json", "zarr", "zip")]
    assert _visible(two_days) == sorted(names)
    record = json.loads((two_days / f"{DATE}.json").read_text())
    digests = record.pop("states")
    assert record == {
        "kind": "cams_day",
        "format": 1,
        "date": DATE,
        "source": "demo",
        "levels": list(LEVELS),
        "latitude": {"n": 19, "first": 90.0, "last": -90.0},
        "longitude": {"n": 36, "first": 0.0, "last": 350.0},
    }
    assert list(digests) == TIMES
    assert all(len(digest) == 64 for digest in digests.values())


def test_zip_to_store_and_back(two_days, demo_zip):
    day = read_day(demo_zip, DATE, (0, 12), LEVELS)
    stored = open_states(two_days, TIMES)
    assert stored.sizes == day.sizes
    for v in SURFACE + ATMOS:
        np.testing.assert_array_equal(stored[v.netcdf].values, day[v.netcdf].values)
        assert stored[v.netcdf].dtype == np.float32
        assert stored[v.netcdf].attrs["units"] == v.units
    record = json.loads((two_days / f"{DATE}.json").read_text())
    for time in TIMES:
        state = load_state(two_days, time)
        assert state["t"].dims == ("level", "latitude", "longitude")
        assert state_digest(state) == record["states"][time]


def test_any_reader_gets_labels(two_days):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        day = xr.open_zarr(two_days / f"{DATE}.zarr", chunks=None)
    assert day["t"].dims == ("time", "level", "latitude", "longitude")
    assert day["time"].values[1] == np.datetime64("2022-06-11T12:00")
    assert day["level"].values.tolist() == list(LEVELS)
    array = zarr.open_group(two_days / f"{DATE}.zarr", mode="r")["t"]
    assert array.chunks == (1, 13, 19, 36)
    assert np.isnan(array.fill_value)
    assert array.metadata.dimension_names == ("time", "level", "latitude", "longitude")


def test_states_in_any_order_and_over_days(two_days):
    times = ["2022-06-12T00:00:00Z", TIMES[1], "2022-06-12T12:00:00Z"]
    states = open_states(two_days, times)
    assert [states_module.iso_time(time) for time in states["time"].values] == times
    for i, time in enumerate(times):
        np.testing.assert_array_equal(states["u"].values[i], load_state(two_days, time)["u"].values)


def test_digest_is_of_content(two_days):
    state = load_state(two_days, TIMES[0])
    digest = state_digest(state)
    assert state_digest(state[[*state.data_vars][::-1]].astype(">f4")) == digest
    for name in ("q", "msl"):
        changed = state.copy(deep=True)
        changed[name].values.flat[3] = np.nextafter(changed[name].values.flat[3], np.float32(np.inf))
        assert state_digest(changed) != digest
    assert state_digest(state.assign_coords(longitude=state["longitude"] + 0.1)) != digest
    assert state_digest(state.assign_coords(level=state["level"] + 1)) != digest


def test_making_a_day_again_changes_nothing(days):
    before = {name: sha256_file(days / name) for name in (f"{DATE}.json", f"{DATE}.zip")}
    for leftover in (f".{DATE}.zarr.work-1", f".{DATE}.zarr.old-1", f".{DATE}.zip.x.work"):
        (days / leftover).mkdir()
    (days / f".{DATE}.json.abc.partial").write_text("{")
    (days / ".2022-06-12.zarr.work-1").mkdir()
    make_day(DATE, days / f"{DATE}.json", **OPTIONS)
    assert {name: sha256_file(days / name) for name in before} == before
    assert [name for name in _visible(days) if name.startswith(".")] == [".2022-06-12.zarr.work-1"]


def test_two_zones_give_the_same_digests(two_days, tmp_path):
    code = (
        "import pathlib, sys; from aurorascope.cams.day import make_day; "
        "make_day('2022-06-11', pathlib.Path(sys.argv[1]), source='demo', directory=None, "
        "levels=[50, 100, 150, 200, 250, 300, 400, 500, 600, 700, 850, 925, 1000], hours=(0, 12), grid=(19, 36))"
    )
    for zone in ("Pacific/Kiritimati", "America/New_York"):
        record = tmp_path / zone.replace("/", "-") / f"{DATE}.json"
        environment = {**os.environ, "TZ": zone, "PYTHONPATH": ":".join(filter(None, sys.path))}
        subprocess.run([sys.executable, "-c", code, str(record)], env=environment, check=True)
        assert record.read_bytes() == (two_days / f"{DATE}.json").read_bytes()


@pytest.mark.parametrize("step", ["fetch_day", "read_day", "write_states", "write_json"])
def test_an_interrupted_day_leaves_no_record(tmp_path, monkeypatch, step):
    def killed(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(day_module, step, killed)
    with pytest.raises(KeyboardInterrupt):
        make_day(DATE, tmp_path / f"{DATE}.json", **OPTIONS)
    assert not (tmp_path / f"{DATE}.json").exists()
    monkeypatch.undo()
    make_day(DATE, tmp_path / f"{DATE}.json", **OPTIONS)
    assert _visible(tmp_path) == [f"{DATE}.json", f"{DATE}.zarr", f"{DATE}.zip"]


def test_an_interrupted_write_leaves_no_store(demo_zip, tmp_path, monkeypatch):
    day = read_day(demo_zip, DATE, (0, 12), LEVELS)
    whole = xr.Dataset.to_zarr

    def fails_late(self, *arguments, **options):
        whole(self, *arguments, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_zarr", fails_late)
    with pytest.raises(UserError, match="No space left"):
        write_states(day, tmp_path / f"{DATE}.zarr")
    assert _visible(tmp_path) == []


def test_a_store_is_replaced_whole(days, demo_zip):
    day = read_day(demo_zip, DATE, [12], [500, 850])
    write_states(day, days / f"{DATE}.zarr")
    assert open_states(days, TIMES[1:])["level"].values.tolist() == [500, 850]


def test_states_that_are_not_there(days):
    with pytest.raises(UserError, match=r"snakemake .*2022-06-13.json --cores 1"):
        open_states(days, [TIMES[0], "2022-06-13T00:00:00Z"])
    with pytest.raises(UserError, match=r"T06:00:00Z.*snakemake .*2022-06-11.json --cores 1"):
        load_state(days, f"{DATE}T06:00:00Z")
    with pytest.raises(UserError, match="at least one time"):
        open_states(days, [])


def test_a_lost_chunk_is_noticed(days):
    (days / f"{DATE}.zarr" / "no2" / "c" / "1" / "0" / "0" / "0").unlink()
    load_state(days, TIMES[0])
    with pytest.raises(UserError, match=r"no2: expected finite values.*snakemake"):
        load_state(days, TIMES[1])


def test_a_damaged_store_is_noticed(days):
    (days / f"{DATE}.zarr" / "zarr.json").write_text("{")
    with pytest.raises(UserError, match="readable zarr group"):
        load_state(days, TIMES[0])


def test_days_that_do_not_fit(days):
    make_day("2022-06-13", days / "2022-06-13.json", **{**OPTIONS, "grid": (19, 45)})
    with pytest.raises(UserError, match=r"same longitude.*2022-06-13"):
        open_states(days, [TIMES[0], "2022-06-13T00:00:00Z"])
    snapshots = [{"previous": TIMES[0], "time": "2022-06-13T00:00:00Z"}]
    with pytest.raises(UserError, match=r"2022-06-13.json.*same longitude as 2022-06-11.json"):
        write_split(days / "states.json", days, snapshots, "train")
    make_day("2022-06-13", days / "2022-06-13.json", **{**OPTIONS, "levels": [500, 850]})
    with pytest.raises(UserError, match="same levels"):
        write_split(days / "states.json", days, snapshots, "train")
    assert not (days / "states.json").exists()


def test_a_split(two_days, tmp_path, grid):
    snapshots = [{"previous": TIMES[1], "time": "2022-06-12T00:00:00Z"}, {"previous": TIMES[0], "time": TIMES[1]}]
    write_split(tmp_path / "train.json", two_days, snapshots, "train")
    split = json.loads((tmp_path / "train.json").read_text())
    assert split["kind"] == "states"
    assert split["format"] == 1
    assert split["split"] == "train"
    assert split["snapshots"] == snapshots
    assert sorted(split["states"]) == [*TIMES, "2022-06-12T00:00:00Z"]
    for time, state in split["states"].items():
        assert state == {"day": time[:10], "sha256": state_digest(load_state(two_days, time))}
    assert split["latitude"] == grid[0].tolist()
    assert split["longitude"] == grid[1].tolist()
    assert split["levels"] == list(LEVELS)


def test_a_split_of_states_that_are_not_there(days):
    for snapshot, message in (
        ({"previous": TIMES[0], "time": f"{DATE}T06:00:00Z"}, "state 2022-06-11T06:00:00Z"),
        ({"previous": TIMES[0], "time": "2022-07-01T00:00:00Z"}, "2022-07-01.json.*no such file"),
    ):
        with pytest.raises(UserError, match=message):
            write_split(days / "states.json", days, [snapshot], "train")
    with pytest.raises(UserError, match="at least one snapshot"):
        write_split(days / "states.json", days, [], "train")


# Sources


def _local(directory):
    return {**OPTIONS, "source": "local", "directory": directory}


@pytest.mark.parametrize("extracted", [False, True])
def test_a_local_day_is_read_where_it_lies(two_days, demo_zip, tmp_path, extracted):
    directory, folder = tmp_path / "mine", tmp_path / "cams"
    directory.mkdir()
    if extracted:
        shutil.unpack_archive(demo_zip, directory / DATE)
    else:
        shutil.copy(demo_zip, directory)
    make_day(DATE, folder / f"{DATE}.json", **_local(directory))
    assert _visible(folder) == [f"{DATE}.json", f"{DATE}.zarr"]
    record, demo = (json.loads((place / f"{DATE}.json").read_text()) for place in (folder, two_days))
    assert record["source"] == "local"
    assert str(tmp_path) not in json.dumps(record)
    assert record["states"] == demo["states"]


def test_a_local_day_that_is_not_there(demo_zip, tmp_path):
    for name in ("2022-06-01", "2022-06-09", "2022-06-13", "2022-06-14", "notes", "2022-99-99"):
        (tmp_path / f"{name}.zip").touch()
    with pytest.raises(UserError, match="nearest: 2022-06-09, 2022-06-13, 2022-06-14") as caught:
        make_day(DATE, tmp_path / "out" / f"{DATE}.json", **_local(tmp_path))
    assert f"{DATE}.zip" in caught.value.expected
    with pytest.raises(UserError, match=r"no such folder.*cams.directory"):
        make_day(DATE, tmp_path / "out" / f"{DATE}.json", **_local(tmp_path / "nowhere"))


def test_a_bad_local_day_is_left_alone(tmp_path):
    (tmp_path / f"{DATE}.zip").write_bytes(b"PK junk")
    with pytest.raises(UserError, match="whole zip"):
        make_day(DATE, tmp_path / "out" / f"{DATE}.json", **_local(tmp_path))
    assert (tmp_path / f"{DATE}.zip").read_bytes() == b"PK junk"
    assert not (tmp_path / "out").exists() or _visible(tmp_path / "out") == []


class _Response:
    def __init__(self, status):
        self.status_code = status


@pytest.fixture
def ads(monkeypatch, tmp_path):
    """A stand-in for the client: answers with a file's bytes, or raises; keeps what it was asked."""
    cdsapi = pytest.importorskip("cdsapi")
    asked = []

    class Client:
        answer = b""

        def __init__(self, **options):
            asked.append(options)

        def retrieve(self, dataset, request, target):
            asked.append((dataset, request, Path(target)))
            if isinstance(Client.answer, Exception):
                Path(target).write_bytes(b"half")
                raise Client.answer
            Path(target).write_bytes(Client.answer)

    Client.asked = asked
    monkeypatch.setattr(cdsapi, "Client", Client)
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "cdsapirc"))
    monkeypatch.delenv("CDSAPI_URL", raising=False)
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    (tmp_path / "cdsapirc").write_text("url: https://ads.atmosphere.copernicus.eu/api/\nkey: s3cr3t-token\n")
    return Client


ADS = {**OPTIONS, "source": "ads"}


def test_a_download(ads, two_days, demo_zip, tmp_path):
    ads.answer = demo_zip.read_bytes()
    folder = tmp_path / "cams"
    make_day(DATE, folder / f"{DATE}.json", **ADS)
    assert _visible(folder) == [f"{DATE}.download.json", f"{DATE}.json", f"{DATE}.zarr", f"{DATE}.zip"]
    options, (dataset, request, target) = ads.asked
    assert options == {"url": "https://ads.atmosphere.copernicus.eu/api", "quiet": True, "progress": False}
    assert dataset == "cams-global-atmospheric-composition-forecasts"
    assert request["date"] == [f"{DATE}/{DATE}"]
    assert target != folder / f"{DATE}.zip"
    record, demo = (json.loads((place / f"{DATE}.json").read_text()) for place in (folder, two_days))
    assert record["states"] == demo["states"]
    # A zip that is there and good is not downloaded again.
    (folder / f"{DATE}.json").unlink()
    make_day(DATE, folder / f"{DATE}.json", **ADS)
    assert len(ads.asked) == 2


def test_a_zip_of_the_demo_is_never_taken_for_a_download(ads, demo_zip, tmp_path):
    """A zip without proof of its download is fetched anew, however good it looks."""
    folder = tmp_path / "cams"
    folder.mkdir()
    (folder / f"{DATE}.zip").write_bytes(demo_zip.read_bytes())
    ads.answer = demo_zip.read_bytes()
    make_day(DATE, folder / f"{DATE}.json", **ADS)
    assert len(ads.asked) == 2


@pytest.mark.parametrize("spoil", ["truncate", "flip", "html"])
def test_a_broken_download_keeps_no_name(ads, demo_zip, tmp_path, spoil):
    data = bytearray(demo_zip.read_bytes())
    if spoil == "flip":
        data[len(data) // 2] ^= 1
    ads.answer = {"truncate": bytes(data[:-5000]), "flip": bytes(data), "html": b"<html>busy</html>"}[spoil]
    with pytest.raises(UserError, match=f"download of {DATE}"):
        make_day(DATE, tmp_path / "cams" / f"{DATE}.json", **ADS)
    assert _visible(tmp_path / "cams") == []


def test_a_download_with_wrong_content_is_set_aside(ads, make_zip, demo_zip, tmp_path):
    ads.answer = make_zip(lambda data: data.drop_vars("so2")).read_bytes()
    folder = tmp_path / "cams"
    with pytest.raises(UserError, match=r"none named so2.*2022-06-11.rejected.zip"):
        make_day(DATE, folder / f"{DATE}.json", **ADS)
    assert _visible(folder) == [f"{DATE}.rejected.zip"]
    ads.answer = demo_zip.read_bytes()
    make_day(DATE, folder / f"{DATE}.json", **ADS)
    assert _visible(folder) == [f"{DATE}.download.json", f"{DATE}.json", f"{DATE}.zarr", f"{DATE}.zip"]


@pytest.mark.parametrize(
    ("status", "text", "fix"),
    [
        (401, "401 Client Error: authentication failed for s3cr3t-token", "correct the key"),
        (403, "403 Client Error: required licences not accepted\nplease visit", "accept the licence"),
        (500, "500 Server Error", "run the same command again"),
    ],
)
def test_refusals_are_one_line_without_the_key(ads, tmp_path, status, text, fix):
    requests = pytest.importorskip("requests")
    ads.answer = requests.HTTPError(text, response=_Response(status))
    with pytest.raises(UserError, match=fix) as caught:
        make_day(DATE, tmp_path / "cams" / f"{DATE}.json", **ADS)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert str(status) in caught.value.one_line()
    assert _visible(tmp_path / "cams") == []


@pytest.mark.parametrize(
    ("rc", "message"),
    [
        ("url: https://cds.climate.copernicus.eu/api\nkey: s3cr3t-token\n", "ads.atmosphere.copernicus.eu"),
        ("url: https://ads.atmosphere.copernicus.eu/api/v2\nkey: s3cr3t-token\n", "v2"),
        ("url: https://ads.atmosphere.copernicus.eu/api\nkey: 1234:s3cr3t-token\n", "an old UID:key"),
    ],
)
def test_an_old_or_foreign_rc_file(ads, tmp_path, rc, message):
    (tmp_path / "cdsapirc").write_text(rc)
    with pytest.raises(UserError, match=message) as caught:
        fetch_day(DATE, tmp_path / "cams" / f"{DATE}.zip", **ADS)
    assert "s3cr3t" not in str(caught.value)
    assert not ads.asked


def test_no_rc_file(monkeypatch, tmp_path):
    pytest.importorskip("cdsapi")
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "none"))
    monkeypatch.delenv("CDSAPI_URL", raising=False)
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    with pytest.raises(UserError, match=r"Missing/incomplete configuration.*cdsapirc"):
        fetch_day(DATE, tmp_path / f"{DATE}.zip", **ADS)
    assert _visible(tmp_path) == []


def test_an_unknown_source(tmp_path):
    with pytest.raises(UserError, match="demo, local or ads"):
        fetch_day(DATE, tmp_path / f"{DATE}.zip", **{**OPTIONS, "source": "era5"})
