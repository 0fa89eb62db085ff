"""The whole fill with a made-up Aurora: modes, resuming, kills at any moment."""

import json
import random
import time

import pytest
from aurorascope.activations.parts import read_part
from aurorascope.activations.paths import StorePaths
from aurorascope.errors import UserError
from aurorascope.files import blake3_file

from tests.activations import dumping
from tests.activations.dumping import NAMES, WIDTH, fill, forwards, make_scratch

DAYS = tuple(range(1, 13))


def stores(scratch):
    """Bytes of every file of the stores that their manifests vouch for, by name; the manifests too."""
    found = {}
    for name in NAMES:
        folder = StorePaths.of(scratch, name, "train").folder
        manifest = json.loads((folder / "complete.json").read_text())["manifest"]
        found[name, "manifest"] = manifest
        found |= {(name, f): (folder / f).read_bytes() for f in manifest["files"] if (folder / f).exists()}
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Stores of a dump that nobody disturbed, and how long it took."""
    import yaml

    from tests.conftest import ROOT

    raw = yaml.safe_load((ROOT / "config.yaml").read_text())
    scratch = make_scratch(tmp_path_factory.mktemp("undisturbed"), DAYS)
    process = dumping.start(raw, scratch)
    while not forwards(scratch):
        time.sleep(0.001)
    began = time.monotonic()
    process.join()
    assert process.exitcode == 0
    assert len(forwards(scratch)) == len(DAYS)
    return stores(scratch), time.monotonic() - began


def there(scratch):
    """Snapshots of which every block has its part and the chunk that the part names."""
    good = []
    for name in NAMES:
        paths, times = StorePaths.of(scratch, name, "train"), set()
        claimed = json.loads(paths.claim.read_text())["snapshots"] if paths.claim.exists() else []
        for index, snapshot in enumerate(claimed):
            part, chunk = paths.part(snapshot["time"]), paths.chunk(index)
            if part.exists() and chunk.exists() and read_part(part)[1]["blake3"] == blake3_file(chunk):
                times.add(snapshot["time"])
        good.append(times)
    return set.intersection(*good)


def disturb(raw, tmp_path, undisturbed, n_kills, seed):
    """Kill a dump again and again; begin a new one whenever one comes to its end."""
    expected, took = undisturbed
    rng, kills, round_ = random.Random(seed), 0, 0
    while kills < n_kills:
        round_ += 1
        scratch = make_scratch(tmp_path / str(round_), DAYS)
        done = set()
        while True:
            before = len(forwards(scratch))
            process = dumping.start(raw, scratch)
            # From before the first forward until after the last, often inside a write.
            while process.is_alive() and len(forwards(scratch)) == before and rng.random() < 0.999:
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.6 * took))
            is_killed = kills < n_kills and process.is_alive()
            if is_killed:
                process.kill()
                kills += 1
            process.join()
            ran = forwards(scratch)[before:]
            assert len(ran) == len(set(ran)) and not done & set(ran)
            if not is_killed:
                assert process.exitcode == 0
                break
            done = there(scratch)
            # In flight: two snapshots that wait or are written, and the one being computed.
            assert len(set(ran) - done) <= 3
        assert stores(scratch) == expected
    return kills


@pytest.mark.slow
@pytest.mark.long
def test_a_dump_killed_at_any_moment_loses_only_what_was_in_flight(demo_raw, tmp_path, undisturbed):
    """No snapshot that was there is computed again, and the bytes are those of an undisturbed dump."""
    assert disturb(demo_raw, tmp_path, undisturbed, 4, seed=0) == 4


@pytest.mark.slow
@pytest.mark.soak
def test_fifty_kills(demo_raw, tmp_path, undisturbed):
    assert disturb(demo_raw, tmp_path, undisturbed, 50, seed=1) == 50


@pytest.mark.slow
def test_live_stores_killed_end_as_undisturbed_ones(demo_raw, tmp_path, undisturbed):
    """Without chunks, a killed fill goes on from its last saved sum."""
    expected, took = undisturbed
    scratch, rng = make_scratch(tmp_path, DAYS), random.Random(3)
    for _ in range(2):
        process = dumping.start(demo_raw, scratch, mode="live", save_every_s=0.0)
        while process.is_alive() and not forwards(scratch):
            time.sleep(0.001)
        time.sleep(rng.uniform(0.1, 0.5) * took)
        process.kill()
        process.join()
    before = len(forwards(scratch))
    last = dumping.start(demo_raw, scratch, mode="live")
    last.join()
    assert last.exitcode == 0 and len(forwards(scratch)[before:]) < len(DAYS)
    found = stores(scratch)
    assert not [file for _, file in found if file.startswith("store.zarr/activation/c/")]
    assert found == {key: value for key, value in expected.items() if key in found}
    assert {key for key in expected if "activation/c/" not in key[1]} == set(found)
    for name in NAMES:
        paths = StorePaths.of(scratch, name, "train")
        assert json.loads(paths.absent.read_text())["why"] == "live" and not paths.accumulated.exists()


@pytest.fixture
def restored(monkeypatch):
    """`fill` in this process replaces parts of the dump; put them back."""
    from aurorascope.activations import dump

    for name in ("run_to_blocks", "load_model", "load_static", "snapshot_batch"):
        monkeypatch.setattr(dump, name, getattr(dump, name))


@pytest.mark.parametrize(("first", "then"), [("dump", "live"), ("live", "dump")])
def test_a_finished_store_is_finished_in_either_mode(demo_raw, tmp_path, restored, first, then):
    scratch = make_scratch(tmp_path, DAYS[:2])
    fill(demo_raw, scratch, first)
    before = stores(scratch)
    fill(demo_raw, scratch, then)
    assert len(forwards(scratch)) == 2
    assert stores(scratch) == before


@pytest.mark.parametrize("mode", ["dump", "live"])
def test_an_error_of_aurora_keeps_what_was_computed(demo_raw, tmp_path, restored, mode):
    """The sum of a live store is saved at once when a fill ends early, not only every ten minutes."""

    def forward(time):
        if time.startswith("2022-06-04"):
            raise UserError("a state", "to be there", "nothing", "get it")

    scratch = make_scratch(tmp_path, DAYS[:6])
    with pytest.raises(UserError, match="get it"):
        fill(demo_raw, scratch, mode, forward=forward)
    begun = len(forwards(scratch))
    fill(demo_raw, scratch, mode)
    assert begun == 4 and len(forwards(scratch)) == begun + 3


def test_forwards_stop_where_no_store_lacks_anything_deeper(demo_raw, tmp_path, restored):
    """Blocks added later cost their own forwards; what is there is not asked for again."""
    scratch = make_scratch(tmp_path, DAYS[:2])
    fill(demo_raw, scratch, names=NAMES[:1])
    fill(demo_raw, scratch, names=NAMES)
    first = stores(scratch)
    assert len(forwards(scratch)) == 4
    other = make_scratch(tmp_path / "other", DAYS[:2])
    fill(demo_raw, other, names=NAMES)
    assert stores(other) == first
    assert first[NAMES[0], "manifest"]["d_model"] == WIDTH
