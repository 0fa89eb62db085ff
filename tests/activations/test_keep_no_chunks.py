"""A store without chunks: the same files, the same manifest, and a marker that says so."""

import json
import shutil

import numpy as np
import pytest
from aurorascope.activations import accumulate
from aurorascope.activations.manifest import is_complete
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.writer import StoreWriter
from tiny import D_MODEL, claim, fill, grid, tokens

from tests.activations.stores import DAYS

CHUNKS = "store.zarr/activation/c"


def live(folder, content):
    return StoreWriter(StorePaths(folder), content, grid(content["block"]), keep_chunks=False)


def add(writer, *indices):
    for index in indices:
        writer.add(index, tokens(writer.claim["snapshots"][index], writer.grid.n_tokens, D_MODEL))


def files_of(folder):
    """Bytes of all files but chunks, lock and marker."""
    names = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    return {n: (folder / n).read_bytes() for n in names if CHUNKS not in n and n not in ("lock", "absent.json")}


@pytest.fixture(scope="module", params=["train", "held_out"])
def dumped(tmp_path_factory, request):
    """A finished store with its chunks, and its claim."""
    folder, content = tmp_path_factory.mktemp("dumped"), claim(DAYS, split=request.param)
    fill(StorePaths(folder), content)
    return folder, content


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_everything_but_the_chunks_is_the_same(tmp_path, dtype):
    """Manifest, parts, labels, moments and position mean are those of a store with chunks, byte for byte."""
    content = claim(DAYS, dtype=dtype)
    fill(StorePaths(tmp_path / "dumped"), content)
    writer = live(tmp_path / "live", content)
    add(writer, *range(len(DAYS)))
    writer.finish()
    assert files_of(tmp_path / "live") == files_of(tmp_path / "dumped")
    assert not (tmp_path / "live" / CHUNKS).exists()
    manifest = json.loads((tmp_path / "live" / "complete.json").read_text())["manifest"]
    for index in range(len(DAYS)):
        chunk = StorePaths(tmp_path / "dumped").chunk(index)
        assert manifest["files"][str(chunk.relative_to(tmp_path / "dumped"))]["size"] == chunk.stat().st_size


def test_the_marker_says_why(tmp_path, dumped):
    """It is there when the store is finished, not before, and never beside chunks."""
    folder, content = dumped
    writer, paths = live(tmp_path, content), StorePaths(tmp_path)
    add(writer, *range(len(DAYS)))
    assert not paths.absent.exists()
    writer.finish()
    assert json.loads(paths.absent.read_text()) == {"kind": "absent", "why": "live"}
    assert is_complete(paths, content)
    assert files_of(tmp_path) == files_of(folder)
    assert not StorePaths(folder).absent.exists()


def test_the_marker_is_written_before_the_store_is_complete(tmp_path, monkeypatch):
    """A kill in between leaves a store that is not finished, never a finished one whose chunks look lost."""
    import aurorascope.activations.finish as finish

    real = finish.write_json

    def killed(path, value):
        if path.name == "complete.json":
            raise KeyboardInterrupt
        real(path, value)

    writer = live(tmp_path, claim(DAYS))
    add(writer, *range(len(DAYS)))
    monkeypatch.setattr(finish, "write_json", killed)
    with pytest.raises(KeyboardInterrupt):
        writer.finish()
    assert StorePaths(tmp_path).absent.exists()


def test_snapshots_must_come_in_time_order(tmp_path):
    """The sum's last bits depend on the order; another order is refused, and the sum is not spoilt."""
    writer = live(tmp_path, claim(DAYS))
    add(writer, 0)
    with pytest.raises(ValueError, match="snapshot 2 came before snapshot 1"):
        add(writer, 2)
    add(writer, 1, 2, 3)
    writer.finish()
    fill(StorePaths(tmp_path / "dumped"), claim(DAYS))
    assert (tmp_path / "position_mean.safetensors").read_bytes() == (
        tmp_path / "dumped" / "position_mean.safetensors"
    ).read_bytes()


def test_a_fill_that_ended_early_goes_on_from_its_sum(tmp_path, dumped):
    """What was saved is not computed again; what came after it is."""
    folder, content = dumped
    writer = live(tmp_path, content)
    add(writer, 0, 1)
    writer.save()
    add(writer, 2)
    again = live(tmp_path, content)
    assert again.missing == ({2, 3} if content["split"] == "train" else {3})
    add(again, *sorted(again.missing))
    again.finish()
    assert files_of(tmp_path) == files_of(folder)
    assert not StorePaths(tmp_path).accumulated.exists()


def test_without_a_saved_sum_training_begins_again(tmp_path, dumped):
    folder, content = dumped
    add(live(tmp_path, content), 0, 1)
    again = live(tmp_path, content)
    assert again.missing == ({0, 1, 2, 3} if content["split"] == "train" else {2, 3})
    add(again, *sorted(again.missing))
    again.finish()
    assert files_of(tmp_path) == files_of(folder)


def test_the_sum_is_saved_now_and_then(tmp_path, monkeypatch):
    """Not with every snapshot: at full size it is 737 MB."""
    now = [0.0]
    monkeypatch.setattr(accumulate.time, "monotonic", lambda: now[0])
    writer, path = live(tmp_path, claim(DAYS)), StorePaths(tmp_path).accumulated
    add(writer, 0)
    now[0] = 599.0
    add(writer, 1)
    assert not path.exists()
    now[0] = 601.0
    add(writer, 2)
    assert live(tmp_path, claim(DAYS)).missing == {3}


@pytest.mark.parametrize("share", [0.02, 0.5, 0.999])
def test_a_damaged_sum_is_not_used(tmp_path, share):
    writer, path = live(tmp_path, claim(DAYS)), StorePaths(tmp_path).accumulated
    add(writer, 0, 1)
    writer.save()
    data = bytearray(path.read_bytes())
    data[int(len(data) * share)] ^= 0x40
    path.write_bytes(data)
    assert live(tmp_path, claim(DAYS)).missing == {0, 1, 2, 3}


@pytest.mark.parametrize(("changed", "missing"), [(3, {0, 1, 2, 3}), (6, {2, 3})])
def test_a_sum_over_other_snapshots_is_not_used(tmp_path, changed, missing):
    """A day downloaded again spoils the sum if it is in it, and only then."""
    writer = live(tmp_path, claim(DAYS))
    add(writer, 0, 1)
    writer.save()
    assert live(tmp_path, claim(DAYS, salt={changed: "again"})).missing == missing


def test_a_lost_part_is_made_again_without_counting_twice(tmp_path, dumped):
    folder, content = dumped
    writer = live(tmp_path, content)
    add(writer, 0, 1, 2)
    writer.save()
    StorePaths(tmp_path).part(content["snapshots"][1]["time"]).unlink()
    again = live(tmp_path, content)
    assert again.missing == {1, 3}
    add(again, 1, 3)
    again.finish()
    assert files_of(tmp_path) == files_of(folder)


def test_half_a_snapshot_is_never_saved(tmp_path, monkeypatch):
    """Interrupted in the middle of an addition, the sum on disk stays the one before."""
    writer = live(tmp_path, claim(DAYS))
    add(writer, 0)

    def interrupted(*args):
        yield slice(0, 5), np.ones((5, D_MODEL), np.float32)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(accumulate, "decoded_blocks", interrupted)
        with pytest.raises(KeyboardInterrupt):
            add(writer, 1)
    writer.save()
    assert live(tmp_path, claim(DAYS)).missing == {0, 1, 2, 3}


def test_chunks_come_back_where_they_are_asked_for(tmp_path, dumped):
    """A writer that keeps chunks takes the marker away and computes all that has none."""
    folder, content = dumped
    writer = live(tmp_path, content)
    add(writer, *range(len(DAYS)))
    writer.finish()
    paths = StorePaths(tmp_path)
    paths.complete.unlink()
    kept = StoreWriter(paths, content, grid(content["block"]))
    assert not paths.absent.exists() and kept.missing == {0, 1, 2, 3}
    add(kept, *range(len(DAYS)))
    kept.finish()
    assert files_of(tmp_path) == files_of(folder)
    assert not paths.absent.exists()


def test_of_dropped_chunks_only_those_that_are_gone_are_computed(tmp_path, dumped):
    """A deletion that was cut short: what still lies there is kept."""
    folder, content = dumped
    shutil.copytree(folder, tmp_path / "store")
    paths = StorePaths(tmp_path / "store")
    paths.absent.write_text('{"kind": "absent", "why": "dropped"}')
    paths.chunk(1).unlink()
    assert is_complete(paths, content)
    writer = StoreWriter(paths, content, grid(content["block"]))
    assert writer.missing == {1} and not paths.absent.exists()


def test_leftover_chunks_of_a_dump_are_deleted(tmp_path, dumped):
    """A folder half dumped and then filled without chunks is a store without chunks."""
    folder, content = dumped
    half = StoreWriter(StorePaths(tmp_path), content, grid(content["block"]))
    add(half, 0, 1)
    writer = live(tmp_path, content)
    add(writer, *sorted(writer.missing))
    writer.finish()
    assert not (tmp_path / CHUNKS).exists()
    assert files_of(tmp_path) == files_of(folder)
