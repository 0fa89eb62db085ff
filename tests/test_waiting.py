"""What a job of many blocks leaves, and what of it is adopted."""

import json

import pytest
from aurorascope.files import sha256_file, write_json
from aurorascope.records import Kind
from aurorascope.waiting import Waiting

KIND = Kind("toy", "toys/{block}.json", "toys", {"toys/{block}.bin": "table_sha256"})
CLAIM = {"block": "b", "made_from": "x"}


def make(results, made_from="x", content=b"numbers"):
    """Record and file under a results folder."""
    table = results / "toys" / "b.bin"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_bytes(content)
    record = {"kind": "toy", "block": "b", "made_from": made_from, "table_sha256": sha256_file(table)}
    write_json(KIND.where(results, block="b"), record)


def left(tmp_path, **made):
    """A result that waits, with a file that its record does not know."""
    waiting = Waiting(KIND, tmp_path, "b")
    make(waiting.results, **made)
    (waiting.results / "beside.txt").write_text("made with")
    waiting.leave(["beside.txt"])
    return waiting


def test_what_is_left_is_adopted_once(tmp_path):
    """All files get their places with the same bytes, and nothing waits any longer."""
    waiting = left(tmp_path)
    assert waiting.is_made(CLAIM) and waiting.is_waiting(CLAIM)
    record = KIND.where(waiting.results, block="b").read_bytes()
    assert waiting.adopt(CLAIM)
    assert (tmp_path / "toys" / "b.json").read_bytes() == record
    assert (tmp_path / "toys" / "b.bin").read_bytes() == b"numbers"
    assert (tmp_path / "beside.txt").read_text() == "made with"
    assert not waiting.results.exists()
    assert waiting.is_made(CLAIM) and not waiting.is_waiting(CLAIM) and not waiting.adopt(CLAIM)


@pytest.mark.parametrize("damaged", ["toys/b.json", "toys/b.bin", "beside.txt", "complete.json"])
def test_damaged_results_are_not_adopted(tmp_path, damaged, caplog):
    """One bit of any file: what lies in the place stays as it is; a damaged file is told of."""
    make(tmp_path, content=b"older")
    waiting = left(tmp_path)
    path = waiting.results / damaged
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    assert not waiting.adopt(CLAIM)
    assert (tmp_path / "toys" / "b.bin").read_bytes() == b"older"
    if damaged in ("toys/b.bin", "beside.txt"):
        assert "made anew" in caplog.text


@pytest.mark.parametrize("missing", ["toys/b.json", "toys/b.bin", "complete.json"])
def test_what_a_kill_left_is_not_adopted(tmp_path, missing):
    """Whatever had not been written yet."""
    waiting = left(tmp_path)
    (waiting.results / missing).unlink()
    assert not waiting.is_made(CLAIM) and not waiting.adopt(CLAIM)


@pytest.mark.parametrize("claim", [{"block": "b", "made_from": "y"}, {**CLAIM, "new": 1}])
def test_results_of_another_claim_are_neither_made_nor_adopted(tmp_path, claim):
    """Made from something else, or by a version that did not write an entry."""
    waiting = left(tmp_path)
    make(tmp_path)
    assert not (waiting.is_made(claim) or waiting.is_waiting(claim) or waiting.adopt(claim))


def test_a_result_in_its_place_counts_as_made_only_whole(tmp_path):
    """A record whose file was cut is none."""
    make(tmp_path)
    assert Waiting(KIND, tmp_path, "b").is_made(CLAIM)
    (tmp_path / "toys" / "b.bin").write_bytes(b"numb")
    assert not Waiting(KIND, tmp_path, "b").is_made(CLAIM)


def test_a_list_of_files_that_is_none_is_refused(tmp_path):
    """Whatever stands in it."""
    waiting = left(tmp_path)
    for content in ("[]", '{"files": 3}', '{"files": [["x"]]}', json.dumps({"files": [["toys/b.bin", None]]})):
        (waiting.results / "complete.json").write_text(content)
        assert not waiting.adopt(CLAIM)


def test_results_of_one_block_of_several_names_wait_apart(tmp_path):
    """As attributions of two outcomes do."""
    kind = Kind("toy", "toys/{colour}/{block}.json", "toys", {"toys/{colour}/{block}.bin": "table_sha256"})
    for colour in ("red", "blue"):
        waiting = Waiting(kind, tmp_path, "b", colour=colour)
        table = waiting.results / "toys" / colour / "b.bin"
        table.parent.mkdir(parents=True)
        table.write_text(colour)
        write_json(kind.where(waiting.results, block="b", colour=colour), {"kind": "toy", "table_sha256": sha256_file(table)})
        waiting.leave()
    assert Waiting(kind, tmp_path, "b", colour="red").adopt({})
    assert (tmp_path / "toys" / "red" / "b.bin").read_text() == "red" and not (tmp_path / "toys" / "blue").exists()
    assert Waiting(kind, tmp_path, "b", colour="blue").is_waiting({})
