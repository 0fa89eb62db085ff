"""A dump looks for room before its first byte."""

import pytest
from aurorascope.activations import space
from aurorascope.activations.claim import make_claim
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.space import check_space, free_space, left_to_write, there
from aurorascope.blocks import BY_ID
from aurorascope.config.calendar import SPLITS
from aurorascope.costs.need import Free, Need, total
from aurorascope.errors import UserError
from aurorascope.files import write_json
from tiny import LAT, LON, digest, fill

from tests.config.raw import put, typed

BLOCKS = [BY_ID["encoder_s0_b0"], BY_ID["encoder_s2_b0"]]


@pytest.fixture
def config(demo_raw):
    return typed(put(put(demo_raw, "aurora.embed_dim", 16), "cams.demo_grid", [19, 36]))


@pytest.fixture
def scratch(tmp_path):
    """Records of four training and two held-out snapshots on the tiny grid, and of a checkpoint 16 wide."""
    axes = {"latitude": LAT.tolist(), "longitude": LON.tolist()}
    ends = {name: {"n": len(values), "first": values[0], "last": values[-1]} for name, values in axes.items()}
    write_json(tmp_path / "static" / "static.json", {"kind": "static", "content_sha256": digest("static"), **ends})
    checkpoint = {"kind": "checkpoint", "embed_dim": 16, "sha256": digest("c")}
    write_json(tmp_path / "checkpoint" / "checkpoint.json", checkpoint)
    for split, days in zip(SPLITS, ((3, 4, 5, 6), (20, 21)), strict=True):
        pairs = [{"time": f"2022-06-{d:02d}T12:00:00Z", "previous": f"2022-06-{d:02d}T00:00:00Z"} for d in days]
        states = {time: {"day": time[:10], "sha256": digest(time)} for pair in pairs for time in pair.values()}
        write_json(
            tmp_path / "states" / f"{split}.json",
            {"kind": "states", "split": split, "snapshots": pairs, "states": states, **axes},
        )
    return tmp_path


def needs(config, scratch):
    return total([left_to_write(config, block, split, scratch) for block in BLOCKS for split in SPLITS])


def store(config, scratch, block, split):
    paths = StorePaths.of(scratch, block.id, split)
    return paths, make_claim(config, block, split, scratch)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.id)
def test_the_need_is_what_a_store_takes(config, scratch, block, split):
    """Files to the inode, but for the block's folder and provenance; bytes within 5 %.

    The coarse block's two rows lie in two of the six latitude bands that its records are counted with.
    """
    need = left_to_write(config, block, split, scratch)
    paths, claim = store(config, scratch, block, split)
    fill(paths, claim)
    write_json(paths.manifest, {})
    found = there(paths.folder)
    content = found.content - paths.manifest.stat().st_size + paths.complete.stat().st_size
    assert found.inodes + 1 + (split == "train") == need.inodes
    assert (0.95 if block is BLOCKS[0] else 0.8) * need.content < content < 1.05 * need.content


def test_a_finished_store_needs_nothing(config, scratch):
    """Nor does it matter for the others."""
    paths, claim = store(config, scratch, BLOCKS[0], "train")
    before = needs(config, scratch)
    mine = left_to_write(config, BLOCKS[0], "train", scratch)
    fill(paths, claim)
    assert left_to_write(config, BLOCKS[0], "train", scratch) == Need()
    assert needs(config, scratch) + mine == before


def test_a_begun_store_needs_the_rest(config, scratch):
    """What lies in the folder is taken off; after a kill at the last step next to nothing is left."""
    paths, claim = store(config, scratch, BLOCKS[0], "train")
    whole = left_to_write(config, BLOCKS[0], "train", scratch)
    fill(paths, claim)
    paths.complete.unlink()
    rest = left_to_write(config, BLOCKS[0], "train", scratch)
    assert rest.inodes <= 5 and rest.content < 0.3 * whole.content
    assert rest == whole.beyond(there(paths.folder))


@pytest.mark.parametrize("inodes", [None, 0])
def test_enough_room_is_enough(config, scratch, monkeypatch, inodes):
    """To the byte and the inode; a file system that does not count inodes has enough of them."""
    need = needs(config, scratch)
    free = Free(need.on_disk, None if inodes is None else need.inodes)
    monkeypatch.setattr(space, "free_space", lambda path: free)
    check_space(config, BLOCKS, SPLITS, scratch)


@pytest.mark.parametrize("short", ["bytes", "inodes"])
def test_too_little_room_is_refused_with_the_ways_out(config, scratch, monkeypatch, short):
    """One byte or one inode short is refused, naming need, free and options; nothing is written."""
    need = needs(config, scratch)
    free = Free(need.on_disk - (short == "bytes"), need.inodes - (short == "inodes"))
    monkeypatch.setattr(space, "free_space", lambda path: free)
    with pytest.raises(UserError) as caught:
        check_space(config, BLOCKS, SPLITS, scratch)
    message = caught.value.one_line()
    for words in (f"{need.inodes:,} files", f"{free.inodes:,} files", "fewer `blocks`", "_<block>.pt", "storage"):
        assert words in message, words
    assert not (scratch / "activations").exists()


def test_free_space_is_that_of_the_file_system(tmp_path, monkeypatch):
    """Blocks for users, not for root, and no inodes where none are counted."""
    found = free_space(tmp_path)
    assert found.disk > 0 and (found.inodes is None or found.inodes > 0)

    class Answer:
        f_bavail, f_bfree, f_frsize, f_bsize, f_favail, f_files = 7, 99, 4096, 1 << 20, 5, 0

    monkeypatch.setattr(space.os, "statvfs", lambda path: Answer)
    assert free_space(tmp_path) == Free(7 * 4096, None)
    Answer.f_files = 10
    assert free_space(tmp_path) == Free(7 * 4096, 5)
