import json
import shutil
import warnings

import numpy as np
import pytest
import xarray as xr
import zarr
from aurorascope.cams import states as states_module
from aurorascope.cams.chunk import CODECS
from aurorascope.cams.split import write_split
from aurorascope.cams.states import load_state, open_states, state_digest, write_states
from aurorascope.cams.validate import read_day
from aurorascope.cams.variables import ATMOS, LEVELS, STATIC, SURFACE
from aurorascope.errors import UserError
from zarr.codecs import BloscCodec, BytesCodec

from tests.cams.made import DATE, TIMES, make, visible


def test_zip_to_store_and_back(two_days, demo_zip):
    day = read_day(demo_zip, DATE, (0, 12), LEVELS).states
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
    assert [type(codec).__name__ for codec in array.compressors] == ["BloscCodec", "Crc32cCodec"]
    assert np.isnan(array.fill_value)
    assert array.metadata.dimension_names == ("time", "level", "latitude", "longitude")


def test_our_reader_and_xarray_agree(two_days):
    day = xr.open_zarr(two_days / f"{DATE}.zarr", chunks=None).load()
    assert open_states(two_days, TIMES).identical(day)
    assert load_state(two_days, TIMES[1]).identical(day.isel(time=1))


def test_a_time_may_be_asked_for_twice(two_days):
    states = open_states(two_days, [TIMES[1], TIMES[0], TIMES[1]])
    np.testing.assert_array_equal(states["q"].values[0], states["q"].values[2])
    np.testing.assert_array_equal(states["q"].values[1], load_state(two_days, TIMES[0])["q"].values)


@pytest.mark.filterwarnings("ignore:Consolidated metadata")
def test_states_in_other_codecs_are_read_too(days):
    """Days written without checksums, as they were at first, in chunks of a level or bytes of the other order."""
    day = open_states(days, TIMES)
    path = days / f"{DATE}.zarr"
    plain = day.copy()
    for number, name in enumerate(day.data_vars):
        shape = day[name].shape
        plain[name].encoding = [
            {"compressors": [BloscCodec(cname="lz4")], "chunks": (1, *shape[1:])},
            {"compressors": CODECS, "chunks": (1,) * (len(shape) - 2) + shape[-2:]},
            {"compressors": CODECS, "chunks": (1, *shape[1:]), "serializer": BytesCodec(endian="big")},
        ][number % 3]
    plain["time"].encoding = {"units": "hours since 1970-01-01", "dtype": "int64"}
    shutil.rmtree(path)
    plain.to_zarr(path, zarr_format=3, consolidated=True)
    assert open_states(days, TIMES).identical(day)
    (path / "t2m" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(UserError, match="t2m: expected finite values"):
        open_states(days, TIMES)


def test_states_in_any_order_and_over_days(two_days):
    times = ["2022-06-12T00:00:00Z", TIMES[1], "2022-06-12T12:00:00Z"]
    states = open_states(two_days, times)
    assert [states_module.iso_time(time) for time in states["time"].values] == times
    for i, time in enumerate(times):
        np.testing.assert_array_equal(states["u"].values[i], load_state(two_days, time)["u"].values)


def test_a_snapshots_batch_holds_its_states(days):
    """The earlier state comes first, whatever their order in the store."""
    from aurorascope.backbone.batch import make_batch, snapshot_batch

    static = {name: np.full((19, 36), i, np.float32) for i, name in enumerate(STATIC)}
    for previous, time in (TIMES, ["2022-06-11T12:00:00Z", "2022-06-12T00:00:00Z"]):
        read = snapshot_batch(days.parent, time, previous, static)
        made = make_batch(load_state(days, previous), load_state(days, time), time=time, static=static)
        assert read.metadata.time == made.metadata.time
        assert read.metadata.atmos_levels == made.metadata.atmos_levels == LEVELS
        for kind in ("surf_vars", "static_vars", "atmos_vars"):
            ours, theirs = getattr(read, kind), getattr(made, kind)
            assert list(ours) == list(theirs)
            for name in ours:
                assert ours[name].shape == theirs[name].shape
                assert (ours[name] == theirs[name]).all()


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


def test_an_interrupted_write_leaves_no_store(demo_zip, tmp_path, monkeypatch):
    day = read_day(demo_zip, DATE, (0, 12), LEVELS).states
    whole = xr.Dataset.to_zarr

    def fails_late(self, *arguments, **options):
        whole(self, *arguments, **options)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_zarr", fails_late)
    with pytest.raises(UserError, match="No space left"):
        write_states(day, tmp_path / f"{DATE}.zarr")
    assert visible(tmp_path) == []


def test_a_store_is_replaced_whole(days, demo_zip):
    day = read_day(demo_zip, DATE, [12], [500, 850]).states
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


def _flip(place):
    def change(path):
        data = bytearray(path.read_bytes())
        data[place] ^= 4
        path.write_bytes(bytes(data))

    return change


@pytest.mark.parametrize(
    "spoil",
    [
        *[_flip(place) for place in (1, 6, 40, 2000, -5, -1)],
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(b"abc"),
        lambda path: path.write_bytes(b""),
        lambda path: shutil.copy(path.parents[5] / "t2m" / "c" / "1" / "0" / "0", path),
    ],
)
def test_a_damaged_chunk_is_noticed(days, spoil):
    spoil(days / f"{DATE}.zarr" / "t" / "c" / "1" / "0" / "0" / "0")
    load_state(days, TIMES[0])
    with pytest.raises(UserError, match=r"readable zarr group.*rm -f .*2022-06-11.json && snakemake"):
        open_states(days, TIMES)


@pytest.mark.parametrize("axis", ["time", "level", "latitude", "longitude"])
@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), _flip(3), lambda path: path.write_bytes(b"")])
def test_damaged_labels_are_noticed(days, axis, spoil):
    chunk = days / f"{DATE}.zarr" / axis / "c" / "0"
    spoil(chunk)
    # Times that are lost are times of another year.
    expected = "readable zarr group" if axis != "time" or chunk.exists() else f"state {TIMES[0]}, found 1970-01-01"
    with pytest.raises(UserError, match=rf"{expected}.*rm -f .*2022-06-11.json && snakemake"):
        open_states(days, TIMES)


def test_the_only_level_lost_is_noticed(days):
    make("2022-06-13", days, levels=[500])
    assert load_state(days, "2022-06-13T00:00:00Z")["level"].values.tolist() == [500]
    (days / "2022-06-13.zarr" / "level" / "c" / "0").unlink()
    with pytest.raises(UserError, match=r"readable zarr group.*level 0"):
        load_state(days, "2022-06-13T00:00:00Z")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("hours since 1970-01-01", "hours since 1980-01-01"),
        ('"no2": {', '"n02": {'),
        ("float32", "float64"),
        ("19", "18"),
        ("blosc", "bl0sc"),
        ('"node_type": "array"', '"node_type": "group"'),
    ],
)
def test_damaged_metadata_are_noticed(days, old, new):
    path = days / f"{DATE}.zarr" / "zarr.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(UserError, match=r"readable zarr group.*rm -f .*2022-06-11.json && snakemake"):
        open_states(days, TIMES)


def test_a_damaged_store_is_noticed(days):
    (days / f"{DATE}.zarr" / "zarr.json").write_text("{")
    with pytest.raises(UserError, match="readable zarr group"):
        load_state(days, TIMES[0])


def test_days_that_do_not_fit(days):
    make("2022-06-13", days, demo_grid=[19, 45])
    with pytest.raises(UserError, match=r"same longitude.*2022-06-13"):
        open_states(days, [TIMES[0], "2022-06-13T00:00:00Z"])
    snapshots = [{"previous": TIMES[0], "time": "2022-06-13T00:00:00Z"}]
    with pytest.raises(UserError, match=r"2022-06-13.json.*same longitude as 2022-06-11.json"):
        write_split(days / "states.json", days, snapshots, "train")
    make("2022-06-13", days, levels=[500, 850])
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
