"""Days of labels on disk: round trip, record, damage."""

import json
import resource
import shutil

import numpy as np
import pytest
import xarray as xr
from aurorascope.cams import demo
from aurorascope.cams.demo_truth import demo_truth
from aurorascope.cams.variables import LEVELS
from aurorascope.config.thresholds import DEMO, UNCHECKED
from aurorascope.errors import DiskError, UserError
from aurorascope.labels.all import available, label_state
from aurorascope.labels.claim import MadeFrom
from aurorascope.labels.own import read_own
from aurorascope.labels.read import read_day, verify_day
from aurorascope.labels.reference import Reference
from aurorascope.labels.write import KIND, write_day

from tests.labels.made import DEMO_GRID, demo_label_state

DAY = "2022-06-09"
TIMES = [f"{DAY}T00:00:00Z", f"{DAY}T12:00:00Z"]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> tuple[list[xr.Dataset], MadeFrom]:
    """Labels by formula of two times, and one of one's own beside them."""
    moments = demo.times_of(DAY, [0, 12])
    states = [demo_label_state(moment) for moment in moments]
    reference = Reference.of(states, DEMO)
    folder = tmp_path_factory.mktemp("own")
    demo_truth(moments, *DEMO_GRID)[["dust", "dust_strength"]].rename(dust="my_dust", dust_strength="my_dust_strength").to_netcdf(
        folder / f"{DAY}.nc"
    )
    own = read_own(folder, DAY, [state.now.time for state in states], *DEMO_GRID)
    datasets = [
        xr.concat([label_state(state, reference, DEMO), mine], "label") for state, mine in zip(states, own.datasets, strict=True)
    ]
    return datasets, MadeFrom({TIMES[0]: "a" * 64, TIMES[1]: "b" * 64}, "c" * 64, reference.sha256(), own.digests, "d" * 64)


@pytest.fixture(scope="module")
def once(labelled, tmp_path_factory):
    """The day's record under the folder of results."""
    return write_day(tmp_path_factory.mktemp("results") / "scratch" / "labels", DAY, labelled[0], DEMO, labelled[1])


@pytest.fixture
def written(once, tmp_path):
    """A copy of one's own."""
    shutil.copytree(once.parents[2], tmp_path, dirs_exist_ok=True)
    return tmp_path / once.relative_to(once.parents[2])


def test_a_day_comes_back_as_it_was(labelled, written):
    datasets, _ = labelled
    day = read_day(written.parent, DAY)
    assert day.times == tuple(TIMES) and list(day.labels) == [*available(LEVELS), "my_dust"]
    for time, data in zip(TIMES, datasets, strict=True):
        xr.testing.assert_identical(day.dataset(time), data)
    mask, number, field = day.read("jet", TIMES[1])
    assert [each.dtype for each in (mask, number, field)] == [np.uint8, np.uint16, np.float32]
    verify_day(written.parent, DAY)


def test_xarray_opens_a_day_with_labels(written):
    with xr.open_zarr(written.with_suffix(".zarr")) as data:
        jet = data["mask"].sel(time=f"{DAY}T12", label="jet")
        assert jet.dims == ("latitude", "longitude") and 0.05 < jet.mean() < 0.5
        assert data["mask"].dims == ("time", "label", "latitude", "longitude")
        assert data["mask"].encoding["chunks"] == (1, 1, 46, 90)
        assert data["mask"].encoding["shards"] == (1, data.sizes["label"], 46, 90)
        assert {"jet", "my_dust", "control_red_noise"} <= set(data["label"].values)


def test_the_record_says_what_the_labels_are(labelled, written):
    datasets, made_from = labelled
    assert KIND.found(written.parents[2]) == [written]
    record = KIND.read(written.parents[2], day=DAY)
    assert record["kind"] == "labels" and record["date"] == DAY and record["definitions"] == 1
    assert {key: record[key] for key in made_from.entries()} == made_from.entries()
    assert record["made_from"]["own"] == dict(made_from.own) and record["config_sha256"] == "d" * 64
    assert {name for name, each in record["thresholds"].items() if each.get("unchecked")} == UNCHECKED
    assert record["thresholds"]["dust_salt"] == {"value": DEMO.dust_salt}
    weights = np.cos(np.deg2rad(DEMO_GRID[0]))[:, None]
    for name in ("jet", "dust", "my_dust", "land"):
        masks = np.stack([data.set_index(label="label")["mask"].sel(label=name).values for data in datasets])
        numbers = [data.set_index(label="label")["object"].sel(label=name).values.max() for data in datasets]
        assert record["labels"][name]["base_rate"] == pytest.approx((masks * weights).sum() / weights.sum() / 90 / 2, rel=2e-3)
        assert record["labels"][name]["objects"] == sum(map(int, numbers))
    assert record["labels"]["my_dust"]["kind"] == "own" and record["labels"]["land"]["kind"] == "place"


def test_the_same_labels_are_the_same_record_and_leave_nothing_else(labelled, written):
    before = written.read_bytes()
    write_day(written.parent, DAY, labelled[0], DEMO, labelled[1])
    assert written.read_bytes() == before
    assert sorted(path.name for path in written.parent.iterdir()) == [f"{DAY}.json", f"{DAY}.zarr"]


def shard(written, name: str, time: int = 1):
    return written.with_suffix(".zarr") / name / "c" / str(time) / "0" / "0" / "0"


def place_in(data: bytes, label: int, n_labels: int) -> tuple[int, int]:
    """Where a label's chunk begins in its file and how long it is: at the end stand these pairs, and a checksum of four bytes."""
    pairs = np.frombuffer(data[-16 * n_labels - 4 : -4], "<u8").reshape(n_labels, 2)
    return int(pairs[label, 0]), int(pairs[label, 1])


@pytest.mark.parametrize("name", ["mask", "object", "field"])
@pytest.mark.parametrize("damage", ["flipped", "missing", "exchanged"])
def test_damage_is_found_when_it_is_read_and_only_then(written, name, damage):
    path, day = shard(written, name), read_day(written.parent, DAY)
    if damage == "flipped":
        data = bytearray(path.read_bytes())
        first, length = place_in(data, day.labels.index("jet"), len(day.labels))
        data[first + length // 2] ^= 4
        path.write_bytes(data)
        day.read("dust", TIMES[1])
    elif damage == "missing":
        path.unlink()
    else:
        shutil.copy(shard(written, name, 0), path)
    day.read("jet", TIMES[0])
    for read in (lambda: day.read("jet", TIMES[1]), lambda: day.read_all(TIMES[1])):
        with pytest.raises(UserError, match=f"rm -f {written} && snakemake"):
            read()
    with pytest.raises(UserError, match=r"2022-06-09\.zarr"):
        verify_day(written.parent, DAY)


@pytest.mark.parametrize("axis", ["label", "time", "latitude", "longitude"])
def test_damaged_axes_are_found_at_once(written, axis):
    path = written.with_suffix(".zarr") / axis / "c" / "0"
    path.unlink()
    with pytest.raises(UserError, match=r"2022-06-09\.zarr"):
        read_day(written.parent, DAY)


def test_what_is_not_there_is_said(written):
    day = read_day(written.parent, DAY)
    with pytest.raises(UserError, match="label: expected one of day, land.*, found 'rain'. Next: take"):
        day.read("rain", TIMES[0])
    with pytest.raises(UserError, match=f"time: expected one of {TIMES[0]}, {TIMES[1]}, found '{DAY}T06:00:00Z'. Next: take {DAY}") as caught:
        day.read("jet", f"{DAY}T06:00:00Z")
    assert "rm -f" not in str(caught.value)
    with pytest.raises(UserError, match=f"take {TIMES[0][:11]}"):
        day.read_all(DAY)
    with pytest.raises(UserError, match=f"2022-06-10.json: expected the labels of 2022-06-10, found none. Next: take one of the run's dates, of which {DAY} to {DAY} are there"):
        read_day(written.parent, "2022-06-10")
    record = json.loads(written.read_text())
    written.write_text(json.dumps(record | {"format": 2}))
    with pytest.raises(UserError, match="expected labels of format 1, found format 2"):
        read_day(written.parent, DAY)
    written.write_text(json.dumps(record))
    shutil.rmtree(written.with_suffix(".zarr"))
    with pytest.raises(UserError, match="expected the labels of 2022-06-09, found no such folder"):
        read_day(written.parent, DAY)


def test_a_write_that_fails_leaves_the_old_day(labelled, written):
    """Where no file may be larger than 2 kB, as on a disk that is full."""
    before, (soft, hard) = written.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(DiskError, match="expected a writable place with enough free space, found File too large"):
            write_day(written.parent, DAY, labelled[0], DEMO, labelled[1])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert written.read_bytes() == before
    assert sorted(path.name for path in written.parent.iterdir()) == [f"{DAY}.json", f"{DAY}.zarr"]
    verify_day(written.parent, DAY)


def test_days_that_do_not_hang_together_are_refused(labelled, tmp_path):
    one, other = labelled[0]
    for datasets, message in (
        ([], "no labels of"),
        ([other, one], "expected ascending times"),
        ([one.assign_coords(time=np.datetime64("2022-06-08T12", "ns"))], "expected ascending times"),
        ([one, other.isel(label=slice(1, None))], "differ in label"),
        ([xr.concat([one, one.isel(label=[0])], "label")], "a label twice"),
    ):
        with pytest.raises(ValueError, match=message):
            write_day(tmp_path, DAY, datasets, DEMO, labelled[1])
    assert not list(tmp_path.iterdir())
