import shutil
import zlib

import pytest
from aurorascope.cams.states import open_states, state_digest, verify_states, write_states
from aurorascope.errors import UserError

from tests.cams.made import DATE, TIMES


@pytest.fixture(scope="module")
def written(two_days, tmp_path_factory):
    """A day's group and the digests that writing it returned."""
    path = tmp_path_factory.mktemp("written") / f"{DATE}.zarr"
    return path, write_states(open_states(two_days, TIMES), path)


@pytest.fixture
def group(written, tmp_path):
    return shutil.copytree(written[0], tmp_path / f"{DATE}.zarr")


def _files(path):
    """Every file with values, as its name in the group."""
    return sorted(str(file.relative_to(path)) for file in path.rglob("c/**/*") if file.is_file())


def test_what_was_written_is_there(written, two_days):
    path, digests = written
    verify_states(path, digests)
    verify_states(str(path), dict(reversed(digests.items())))
    assert list(digests.values()) == [state_digest(open_states(two_days, TIMES).isel(time=i)) for i in (0, 1)]
    assert len(_files(path)) == 22 * 2 + 4


def _flipped(file, name):
    data = bytearray(file.read_bytes())
    data[zlib.crc32(name.encode()) % len(data)] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("spoil", [_flipped, lambda file, name: file.unlink()], ids=["flipped", "deleted"])
def test_any_damaged_file_is_noticed(written, group, spoil):
    path, digests = written
    for name in _files(path):
        spoil(group / name, name)
        with pytest.raises(UserError, match=r"2022-06-11.json && snakemake .*2022-06-11.json --cores 1"):
            verify_states(group, digests)
        shutil.copy(path / name, group / name)
    verify_states(group, digests)


def test_other_values_are_noticed(written, group, two_days):
    """Sound chunks with other values than were to be written, down to the last bit of one of them."""
    digests = written[1]
    day = open_states(two_days, TIMES)
    day["so2"].values.view("uint32")[1, 12, 18, 35] ^= 1
    write_states(day, group)
    with pytest.raises(UserError, match=f"sha256 {digests[TIMES[1]]}, found sha256") as caught:
        verify_states(group, digests)
    assert caught.value.where == f"{group}, {TIMES[1]}"


def test_other_digests_are_refused(written):
    path, digests = written
    for changed in (
        {**digests, TIMES[0]: "0" * 64},
        {TIMES[0]: digests[TIMES[1]], TIMES[1]: digests[TIMES[0]]},
    ):
        with pytest.raises(UserError, match=f"{TIMES[0]}: expected sha256 {changed[TIMES[0]]}"):
            verify_states(path, changed)


def test_other_states_are_refused(written):
    path, digests = written
    with pytest.raises(UserError, match=f"expected the states {TIMES[0]}, found {TIMES[0]}, {TIMES[1]}"):
        verify_states(path, {TIMES[0]: digests[TIMES[0]]})
    with pytest.raises(UserError, match="T18:00:00Z, found"):
        verify_states(path, {**digests, f"{DATE}T18:00:00Z": "0" * 64})
    with pytest.raises(UserError, match="no such folder"):
        verify_states(path.with_name("2022-06-12.zarr"), digests)
