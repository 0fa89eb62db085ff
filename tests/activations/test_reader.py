"""The reader's slices are those of the published formula, and every byte is checked before it is used."""

import os
import shutil

import numpy as np
import pytest
import xarray as xr
from aurorascope.activations.manifest import check_files, read_manifest
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.errors import UserError
from aurorascope.files import write_json
from hypothesis import given
from hypothesis import strategies as st
from tiny import D_MODEL, claim, digest, make_store

from tests.activations.stores import DAYS

N, N_TOKENS = 6, 24


@pytest.fixture(scope="module", params=["float16", "float32"])
def store(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("store")
    return StoreReader(make_store(folder, claim(range(3, 3 + N), dtype=request.param))), folder


@pytest.fixture(scope="module")
def published(store):
    """The decoded store by xarray alone, (time, n_tokens, d)."""
    data = xr.open_zarr(store[1] / "store.zarr", consolidated=False)
    values = (data.activation * data.scale + data.offset).transpose(*data.activation.dims).values
    return values.astype(np.float32).reshape(N, N_TOKENS, D_MODEL)


def places(n):
    bound = st.none() | st.integers(-n - 2, n + 2)
    slices = st.builds(slice, bound, bound, st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3]))
    listed = st.lists(st.integers(-n, n - 1), max_size=2 * n)
    arrays = st.lists(st.booleans(), min_size=n, max_size=n).map(np.array)
    return st.one_of(slices, listed, listed.map(lambda x: np.array(x, np.int64)), arrays)


def picked(places):
    return np.array(places, np.int64) if isinstance(places, list) else places


@given(places(N), places(N_TOKENS))
def test_any_slice_equals_the_published_formula(store, published, snapshots, tokens):
    """Bit for bit, for slices, lists with repeats, arrays and masks, also empty ones."""
    found = store[0].read(snapshots=snapshots, tokens=tokens)
    expected = published[picked(snapshots)][:, picked(tokens)]
    assert found.dtype == np.float32 and found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


def test_everything_is_read_by_default(store, published):
    """Without arguments: all snapshots, all tokens."""
    np.testing.assert_array_equal(store[0].read(), published)


@pytest.mark.parametrize("outside", [{"snapshots": [N]}, {"tokens": [N_TOKENS]}, {"tokens": [-N_TOKENS - 1]}])
def test_places_outside_the_store_are_refused(store, outside):
    """As by NumPy, and never wrapped around."""
    with pytest.raises(IndexError):
        store[0].read(**outside)


def test_example_of_the_documentation(root, finished, published, store, monkeypatch):
    """The lines in docs/formats.md run as they stand and give what they say."""
    text = (root / "docs" / "formats.md").read_text()
    (block,) = [part for part in text.split("```")[1::2] if "StoreReader" in part]
    lines = block.removeprefix("python\n").replace("results/scratch/activations/encoder_s1_b5/train", str(finished))
    names = {}
    monkeypatch.chdir(root)
    exec(lines, names)
    assert names["values"].shape == (2, 4, D_MODEL)
    np.testing.assert_array_equal(names["values"], StoreReader(finished / "manifest.json").read()[:2, [0, 1, 2, 3]])


def test_what_is_handed_out_is_never_overwritten(store):
    """Stored values kept stay what they are while others are read."""
    reader = store[0]
    kept = [reader.stored(index) for index in range(N)]
    copies = [values.copy() for values in kept]
    for index in reversed(range(N)):
        reader.stored(index)
    for values, copy in zip(kept, copies, strict=True):
        np.testing.assert_array_equal(values, copy)


def test_a_chunk_altered_after_its_first_use_is_found(writable):
    """Also with its size kept: its time of change gives it away, and it is hashed again."""
    reader = StoreReader(writable / "manifest.json")
    reader.stored(1)
    path = reader.paths.chunk(1)
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))
    with pytest.raises(UserError, match="blake3"):
        reader.stored(1)
    with pytest.raises(UserError, match="blake3"):
        reader.read(snapshots=[1], tokens=[0])


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (claim(DAYS, checkpoint="other"), "checkpoint_sha256"),
        ({**claim(DAYS), "config_sha256": digest("other config")}, "config_sha256"),
        (claim(DAYS, dtype="float32"), "dtype float32.*dtype float16"),
        (claim(DAYS, split="held_out"), "split held_out.*split train"),
        (claim(DAYS, block_id="encoder_s2_b1"), "block encoder_s2_b1.*block encoder_s2_b0"),
        (claim(DAYS[1:]), "3 times from .*4 times from"),
        (claim(DAYS, salt={4: "again"}), "snapshot 2022-06-04.*inputs of key"),
    ],
    ids=["checkpoint", "config", "precision", "split", "block", "dates", "inputs"],
)
def test_a_store_of_something_else_is_refused(finished, other, words):
    """A reader told what the store must hold names what differs and the command that makes it."""
    with pytest.raises(UserError, match=rf"(?s){words}.*rm -f .*manifest\.json && snakemake"):
        StoreReader(finished / "manifest.json", other)
    StoreReader(finished / "manifest.json", claim(DAYS)).stored(0)


@pytest.mark.parametrize("why", ["live", "dropped"])
def test_absent_chunks_are_not_missed_but_all_else_is(finished, tmp_path, why):
    """With its marker a store without chunks is whole; a snapshot asked of the disk is refused with its reason."""
    folder = shutil.copytree(finished, tmp_path / "store")
    paths, manifest = StorePaths(folder), read_manifest(folder / "manifest.json")
    write_json(folder / "absent.json", {"kind": "absent", "why": why})
    shutil.rmtree(folder / "store.zarr" / "activation" / "c")
    check_files(paths, manifest)
    reader = StoreReader(folder / "manifest.json")
    np.testing.assert_array_equal(reader.offset, StoreReader(finished / "manifest.json").offset)
    assert reader.moments() and reader.position_mean().shape == (N_TOKENS, D_MODEL)
    with pytest.raises(UserError, match=rf"on purpose: .*absent\.json says {why}.*open_reader"):
        reader.stored(0)
    (folder / "moments.safetensors").unlink()
    with pytest.raises(UserError, match=r"moments\.safetensors.*no such file"):
        check_files(paths, manifest)


def test_a_chunk_beside_the_marker_must_still_be_right(finished, tmp_path):
    """Deleting was killed half way: what is left is checked like any other."""
    folder = shutil.copytree(finished, tmp_path / "store")
    paths, manifest = StorePaths(folder), read_manifest(folder / "manifest.json")
    write_json(folder / "absent.json", {"kind": "absent", "why": "dropped"})
    paths.chunk(0).unlink()
    check_files(paths, manifest)
    paths.chunk(1).write_bytes(bytes(paths.chunk(1).stat().st_size))
    with pytest.raises(UserError, match="blake3"):
        check_files(paths, manifest)


@pytest.mark.parametrize("text", ['{"kind": "absent", "why": "lost"}', "{", '{"kind": "other", "why": "live"}'])
def test_a_damaged_marker_excuses_nothing(writable, text):
    """A marker that is not one of ours is an error, not a licence."""
    (writable / "absent.json").write_text(text)
    with pytest.raises(UserError, match=r"absent\.json.*rm -f"):
        check_files(StorePaths(writable), read_manifest(writable / "manifest.json"))
