import importlib
import json
import shutil

import pytest
from aurorascope.cams.variables import LEVELS
from aurorascope.errors import UserError
from aurorascope.files import sha256_file

from tests.cams.made import DATE, TIMES, make, visible


def test_what_a_day_leaves(two_days):
    names = [f"{date}.{kind}" for date in (DATE, "2022-06-12") for kind in ("json", "truth.nc", "zarr", "zip")]
    assert visible(two_days) == sorted(names)
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


def test_making_a_day_again_changes_nothing(days):
    before = {name: sha256_file(days / name) for name in (f"{DATE}.json", f"{DATE}.zip")}
    for leftover in (f".{DATE}.zarr.work-1", f".{DATE}.zarr.old-1", f".{DATE}.zip.x.work"):
        (days / leftover).mkdir()
    (days / f".{DATE}.json.abc.partial").write_text("{")
    (days / ".2022-06-12.zarr.work-1").mkdir()
    make(DATE, days)
    assert {name: sha256_file(days / name) for name in before} == before
    assert [name for name in visible(days) if name.startswith(".")] == [".2022-06-12.zarr.work-1"]


def test_two_zones_give_the_same_digests(two_days, tmp_path, zone):
    for name in ("Pacific/Kiritimati", "America/New_York"):
        zone(name)
        folder = tmp_path / name.replace("/", "-")
        make(DATE, folder)
        assert (folder / f"{DATE}.json").read_bytes() == (two_days / f"{DATE}.json").read_bytes()


@pytest.mark.parametrize("step", ["validate.read_day", "states.write_states", "day.write_json"])
def test_an_interrupted_day_leaves_no_record(tmp_path, monkeypatch, step):
    def killed(*arguments, **options):
        raise KeyboardInterrupt

    module, name = step.split(".")
    monkeypatch.setattr(importlib.import_module(f"aurorascope.cams.{module}"), name, killed)
    with pytest.raises(KeyboardInterrupt):
        make(DATE, tmp_path)
    assert not (tmp_path / f"{DATE}.json").exists()
    monkeypatch.undo()
    make(DATE, tmp_path)
    assert visible(tmp_path) == [f"{DATE}.{kind}" for kind in ("json", "truth.nc", "zarr", "zip")]


def _local(directory):
    return {"source": "local", "directory": str(directory)}


@pytest.mark.parametrize("extracted", [False, True])
def test_a_local_day_is_read_where_it_lies(two_days, demo_zip, tmp_path, extracted):
    directory, folder = tmp_path / "mine", tmp_path / "cams"
    directory.mkdir()
    if extracted:
        shutil.unpack_archive(demo_zip, directory / DATE)
    else:
        shutil.copy(demo_zip, directory)
    make(DATE, folder, **_local(directory))
    assert visible(folder) == [f"{DATE}.json", f"{DATE}.source.json", f"{DATE}.zarr", "local"]
    record, demo = (json.loads((place / f"{DATE}.json").read_text()) for place in (folder, two_days))
    assert record["source"] == "local"
    assert str(tmp_path) not in json.dumps(record)
    assert record["states"] == demo["states"]


def test_a_local_day_that_is_not_there(demo_zip, tmp_path):
    for name in ("2022-06-01", "2022-06-09", "2022-06-13", "2022-06-14", "notes", "2022-99-99"):
        (tmp_path / f"{name}.zip").touch()
    with pytest.raises(UserError, match="nearest: 2022-06-09, 2022-06-13, 2022-06-14") as caught:
        make(DATE, tmp_path / "out", **_local(tmp_path))
    assert DATE in caught.value.expected
    with pytest.raises(UserError, match=r"no such folder.*cams.directory"):
        make(DATE, tmp_path / "out", **_local(tmp_path / "nowhere"))


def test_a_bad_local_day_is_left_alone(tmp_path):
    (tmp_path / f"{DATE}.zip").write_bytes(b"PK junk")
    with pytest.raises(UserError, match="whole zip"):
        make(DATE, tmp_path / "out", **_local(tmp_path))
    assert (tmp_path / f"{DATE}.zip").read_bytes() == b"PK junk"
    assert visible(tmp_path / "out") == ["local"]
