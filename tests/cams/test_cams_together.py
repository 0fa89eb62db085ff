"""Many days made in one process, and each put in its place by its own job."""

import json
import logging

import pytest
from aurorascope.cams.together import adopt_day, make_days
from aurorascope.config.model import from_mapping
from aurorascope.config.resolve import resolve
from aurorascope.errors import UserError
from aurorascope.files import sha256_file

from tests.cams.made import DATE, make

HELD_OUT = "2022-07-11"


def config(**changes):
    """The demo at 19 x 36 with one date in each split."""
    cams = {"demo_grid": [19, 36], "train": {"dates": [DATE]}, "held_out": {"dates": [HELD_OUT]}} | changes
    return from_mapping(resolve({"cams": cams, "static": {"source": "demo" if "source" not in changes else "official"}})[0])


def files(folder):
    return {str(p.relative_to(folder)): sha256_file(p) for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The two days, each made by itself."""
    folder = tmp_path_factory.mktemp("alone") / "cams"
    folder.mkdir()
    for date in (DATE, HELD_OUT):
        make(date, folder)
    return folder


def adopted(scratch, found, **changes):
    return [adopt_day(config(**changes), date, scratch / "cams" / f"{date}.json") for date in found]


def test_what_is_adopted_is_what_is_made_alone(alone, tmp_path):
    """Byte for byte, over what lay there before, and nothing else is left, waiting or in place."""
    (tmp_path / "cams").mkdir()
    (tmp_path / "cams" / f"{DATE}.download.json").write_text('{"kind": "download"}')
    old = tmp_path / "cams" / f"{DATE}.zarr"
    old.mkdir()
    (old / "old").touch()
    make_days(config(), [DATE, HELD_OUT], tmp_path)
    assert not list((tmp_path / "cams").glob("*.zip"))
    assert adopted(tmp_path, [DATE, HELD_OUT]) == [True, True]
    assert files(tmp_path / "cams") == files(alone)
    assert [path.name for path in (tmp_path / "waiting" / "cams_day").iterdir()] == []
    assert adopted(tmp_path, [DATE]) == [False]


def test_what_is_there_or_waits_is_not_made_again(alone, tmp_path, caplog):
    """Neither a day whose record is in its place nor one that waits already."""
    caplog.set_level(logging.INFO)
    make_days(config(), [DATE], tmp_path)
    before = files(tmp_path)
    make_days(config(), [DATE], tmp_path)
    assert files(tmp_path) == before and caplog.text.count("is made already") == 1
    assert adopted(tmp_path, [DATE]) == [True]
    make_days(config(), [DATE], tmp_path)
    assert caplog.text.count("is made already") == 2 and not list((tmp_path / "waiting" / "cams_day").iterdir())


@pytest.mark.parametrize("damage", ["a byte", "a chunk", "the note", "half a note", "other levels", "other hours"])
def test_what_does_not_fit_is_not_adopted(tmp_path, damage):
    """A damaged day, or one of other settings, is thrown away and nothing is put in its place."""
    make_days(config(), [DATE], tmp_path)
    waiting = tmp_path / "waiting" / "cams_day" / DATE / "day"
    changes = {"other levels": {"levels": [500]}, "other hours": {"init_hours": [0]}}.get(damage, {})
    if damage == "a byte":
        path = waiting / f"{DATE}.zip"
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    elif damage == "a chunk":
        next(path for path in (waiting / f"{DATE}.zarr" / "t2m" / "c").rglob("*") if path.is_file()).unlink()
    elif damage == "the note":
        (waiting / "complete.json").unlink()
    elif damage == "half a note":
        (waiting / "complete.json").write_text('{"claim": ')
    assert adopted(tmp_path, [DATE], **changes) == [False]
    assert not (tmp_path / "waiting" / "cams_day" / DATE).exists()
    assert files(tmp_path / "cams") == {}


def test_a_killed_day_is_made_anew(alone, tmp_path, monkeypatch):
    """Without its last note, what a kill left is no day; the next call makes it whole."""
    with monkeypatch.context() as patched:
        patched.setattr("aurorascope.cams.day.write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            make_days(config(), [DATE], tmp_path)
    make_days(config(), [DATE], tmp_path)
    assert adopted(tmp_path, [DATE]) == [True]
    assert json.loads((tmp_path / "cams" / f"{DATE}.json").read_text()) == json.loads((alone / f"{DATE}.json").read_text())


def test_days_of_others_are_left_to_their_own_jobs(tmp_path, caplog):
    """Nothing is made of files or downloads, and nothing that waits is put in the place of one."""
    caplog.set_level(logging.INFO)
    make_days(config(), [DATE], tmp_path)
    others = config(source="local", directory="days")
    assert adopt_day(others, DATE, tmp_path / "cams" / f"{DATE}.json") is False
    make_days(others, [HELD_OUT], tmp_path)
    assert "cams.source is local: each day is made in its own job" in caplog.text
    assert [path.name for path in (tmp_path / "waiting" / "cams_day").iterdir()] == [DATE]


def test_two_processes_do_not_make_one_day(tmp_path):
    """The second says who is at it."""
    from aurorascope.locks import folder_lock

    with folder_lock(tmp_path / "waiting" / "cams_day" / DATE), pytest.raises(UserError, match="one writer at a time"):
        make_days(config(), [DATE], tmp_path)
