import numpy as np
import pytest
from aurorascope.activations import resume
from aurorascope.activations.feed import StoreReader
from aurorascope.activations.manifest import is_complete, publish
from aurorascope.activations.parts import read_part, write_part
from aurorascope.activations.paths import StorePaths
from tiny import claim, fill, make_store

from tests.activations.stores import DAYS, add, content_of, writer_on


def part_times(folder):
    return {p: p.stat().st_mtime_ns for p in (folder / "parts").iterdir()}


def test_killed_dump_resumes_where_it_stopped(finished, tmp_path):
    """A new writer misses exactly what was not added, rewrites nothing, and ends with the same bytes."""
    content = claim(DAYS)
    add(writer_on(tmp_path, content), 2, 0)
    before = part_times(tmp_path)
    assert writer_on(tmp_path, content).missing == {1, 3}
    assert fill(StorePaths(tmp_path), content) == [1, 3]
    assert {path: time for path, time in part_times(tmp_path).items() if path in before} == before
    publish(StorePaths(tmp_path))
    assert content_of(tmp_path) == content_of(finished)


@pytest.mark.parametrize("lost", ["part", "chunk", "chunk half written", "part half written", "part emptied"])
def test_what_a_kill_leaves_of_a_snapshot_is_not_taken_for_one(finished, tmp_path, lost):
    """A snapshot counts only with both its files whole."""
    content, paths = claim(DAYS), StorePaths(tmp_path)
    add(writer_on(tmp_path, content), 0, 1, 2, 3)
    path = paths.part(content["snapshots"][1]["time"]) if lost.startswith("part") else paths.chunk(1)
    if lost.endswith("half written"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif lost.endswith("emptied"):
        path.write_bytes(b"")
    else:
        path.unlink()
    assert writer_on(tmp_path, content).missing == {1}
    fill(paths, content)
    publish(paths)
    assert content_of(tmp_path) == content_of(finished)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8, 0.999])
@pytest.mark.parametrize("what", ["part", "chunk"])
def test_flipped_byte_in_a_finished_snapshot_is_found_when_resuming(tmp_path, what, share):
    """Resuming on a snapshot whose chunk, offset, scale or moments were altered computes it again."""
    content, paths = claim(DAYS[:2]), StorePaths(tmp_path)
    add(writer_on(tmp_path, content), 0, 1)
    path = paths.part(content["snapshots"][1]["time"]) if what == "part" else paths.chunk(1)
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 0x40
    path.write_bytes(data)
    assert writer_on(tmp_path, content).missing == {1}


def test_kill_between_moving_chunks_and_writing_the_claim_is_harmless(finished, tmp_path, monkeypatch):
    """Killed while chunks take their new places, the next writer finds fewer snapshots, never wrong ones."""
    paths = StorePaths(tmp_path)
    make_store(tmp_path, claim(DAYS[1:]))

    def killed(path, value):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("aurorascope.activations.resume.write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            writer_on(tmp_path, claim(DAYS))
    fill(paths, claim(DAYS))
    publish(paths)
    assert content_of(tmp_path) == content_of(finished)


@pytest.mark.parametrize(("old", "new"), [("{", "["), ('"snapshots"', '"snapshotr"'), ('"time"', '"tIme"')])
def test_a_damaged_claim_costs_what_it_vouched_for(finished, tmp_path, old, new):
    """Without the old claim nobody knows which chunk is whose; all are computed again."""
    content, paths = claim(DAYS), StorePaths(tmp_path)
    add(writer_on(tmp_path, content), 0, 1)
    paths.claim.write_text(paths.claim.read_text().replace(old, new, 1))
    assert fill(paths, content) == [0, 1, 2, 3]
    publish(paths)
    assert content_of(tmp_path) == content_of(finished)


def test_kill_before_the_old_group_is_deleted_leaves_none_of_it(finished, tmp_path, monkeypatch):
    """Killed with the new claim written, the next writer deletes the group that stepped aside, chunks and all."""
    make_store(tmp_path, claim((*DAYS, 7)))
    write, aside = resume.write_json, tmp_path / ".stale.zarr"

    def killed(path, value):
        write(path, value)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(resume, "write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            writer_on(tmp_path, claim(DAYS))
    assert list(aside.rglob("c/4/0/0/0/0"))
    assert fill(StorePaths(tmp_path), claim(DAYS)) == []
    publish(StorePaths(tmp_path))
    assert content_of(tmp_path) == content_of(finished) and not aside.exists()


def test_changed_inputs_of_one_snapshot_remake_only_that_one(finished, tmp_path):
    """A day downloaded anew costs its own snapshot."""
    make_store(tmp_path, claim(DAYS))
    changed = claim(DAYS, salt={4: "again"})
    assert writer_on(tmp_path, changed).missing == {1}
    assert fill(StorePaths(tmp_path), changed) == [1]
    publish(StorePaths(tmp_path))
    reader = StoreReader(tmp_path / "manifest.json")
    np.testing.assert_array_equal(reader.stored(0), StoreReader(finished / "manifest.json").stored(0))
    assert (reader.stored(1) != StoreReader(finished / "manifest.json").stored(1)).any()


@pytest.mark.parametrize(
    ("before", "after", "missing"),
    [
        ((4, 5, 6), (3, 4, 5, 6), {0}),
        ((3, 4, 6), (3, 4, 5, 6), {2}),
        ((3, 4, 5, 6), (4, 6), set()),
        ((3, 4, 5, 6), (3, 4, 5, 6), set()),
        ((3, 4), (5, 6), {0, 1}),
    ],
)
def test_added_and_removed_dates_keep_the_others(tmp_path, before, after, missing):
    """Dates may come and go: chunks move to their new place, and the store is that of a fresh dump."""
    make_store(tmp_path / "grown", claim(before))
    assert set(fill(StorePaths(tmp_path / "grown"), claim(after))) == missing
    publish(StorePaths(tmp_path / "grown"))
    make_store(tmp_path / "fresh", claim(after))
    assert content_of(tmp_path / "grown") == content_of(tmp_path / "fresh")


@pytest.mark.parametrize("change", [{"dtype": "float32"}, {"checkpoint": "other"}, {"d_model": 7}])
def test_other_configuration_starts_anew(tmp_path, change):
    """Nothing of another checkpoint, precision or width is kept."""
    make_store(tmp_path, claim(DAYS))
    content = claim(DAYS, **change)
    assert not is_complete(StorePaths(tmp_path), content)
    assert writer_on(tmp_path, content).missing == {0, 1, 2, 3}
    assert not (tmp_path / "manifest.json").exists() and not (tmp_path / "complete.json").exists()


def test_complete_store_is_known_by_its_claim(finished):
    """A finished store answers to its own claim and to no other."""
    paths = StorePaths(finished)
    assert is_complete(paths, claim(DAYS))
    assert not is_complete(paths, claim(DAYS[1:]))
    assert not is_complete(StorePaths(finished / "elsewhere"), claim(DAYS))


@pytest.mark.parametrize("step", ["aurorascope.activations.store.refresh", "aurorascope.activations.resume.write_json"])
def test_kill_while_resuming_loses_nothing(finished, tmp_path, monkeypatch, step):
    """Killed again while it takes up what is there, a dump of the same dates still has it all."""
    content = claim(DAYS)
    add(writer_on(tmp_path, content), 0, 1, 2)

    def killed(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(step, killed)
        with pytest.raises(KeyboardInterrupt):
            writer_on(tmp_path, content)
    assert fill(StorePaths(tmp_path), content) == [3]
    publish(StorePaths(tmp_path))
    assert content_of(tmp_path) == content_of(finished)


def test_labels_damaged_by_a_power_cut_are_written_again(finished, tmp_path):
    """Resuming never trusts a label, and leaves no chunk that the store does not vouch for."""
    content = claim(DAYS)
    add(writer_on(tmp_path, content), 0, 1)
    for name in ("lat/c/0", "zarr.json", "activation/zarr.json", "activation/c/1/0/0/0/0"):
        path = tmp_path / "store.zarr" / name
        path.write_bytes(path.read_bytes()[:-3])
    assert fill(StorePaths(tmp_path), content) == [1, 2, 3]
    publish(StorePaths(tmp_path))
    assert content_of(tmp_path) == content_of(finished)


def test_parts_of_an_older_form_are_computed_again(tmp_path):
    """A part that lacks an array, whole as it is, cannot finish a store."""
    content, paths = claim(DAYS[:2]), StorePaths(tmp_path)
    add(writer_on(tmp_path, content), 0, 1)
    path = paths.part(content["snapshots"][0]["time"])
    arrays, found = read_part(path)
    del arrays["norm_quantiles_by_band"]
    write_part(path, arrays, found["key"], found["blake3"])
    assert writer_on(tmp_path, content).missing == {0}


def test_what_kills_leave_of_unfinished_files_is_deleted(finished, tmp_path):
    """A chunk or a sum half written is as large as a whole one."""
    content = claim(DAYS)
    add(writer_on(tmp_path, content), 0, 1)
    left = [".accumulated.safetensors.x.partial", "parts/.2022.safetensors.x.partial"]
    left += [f"store.zarr/activation/c/{index}/0/0/0/.0.x.partial" for index in (1, 2)]
    for name in left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    assert fill(StorePaths(tmp_path), content) == [2, 3]
    publish(StorePaths(tmp_path))
    assert content_of(tmp_path) == content_of(finished)
    assert not list(tmp_path.rglob("*.partial"))
