import hashlib
import json

import google_crc32c
import numpy as np
import pytest
import xarray as xr
from aurorascope.activations import moments, store
from aurorascope.activations.encode import encode
from aurorascope.activations.feed import StoreReader
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.verify import read_manifest
from aurorascope.blocks import BY_ID, LATENT_LEVELS
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file
from tiny import BLOCK, D_MODEL, claim, grid, make_store, tokens

from tests.activations.stores import DAYS, content_of, decoded


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("block_id", [BLOCK, "decoder_s1_b3"])
def test_store_opens_with_labels(tmp_path, block_id, dtype):
    """xarray opens a store with names, coordinates and times, and its formula gives the decoded values."""
    content = claim(DAYS[:2], block_id, dtype=dtype)
    make_store(tmp_path, content)
    data = xr.open_zarr(tmp_path / "store.zarr", consolidated=False)
    cells = grid(block_id)
    assert data["activation"].dims == ("time", "latent_level", "y", "x", "channel")
    assert data["activation"].dtype == dtype
    assert {"lat", "lon", "row_cells", "time", "latent_level"} <= set(data.coords)
    assert data["latent_level"].values.tolist() == list(LATENT_LEVELS)
    np.testing.assert_array_equal(data["lat"], cells.lat)
    np.testing.assert_array_equal(data["lon"], cells.lon)
    np.testing.assert_array_equal(data["row_cells"], cells.row_cells)
    np.testing.assert_array_equal(data["time"], np.array(["2022-06-03T12", "2022-06-04T12"], "datetime64[ns]"))
    assert data.attrs["block"] == block_id and data.attrs["checkpoint_sha256"] == content["checkpoint_sha256"]
    values = (data["activation"].astype("float32") * data["scale"] + data["offset"]).transpose(*data["activation"].dims)
    np.testing.assert_array_equal(values.values.reshape(2, cells.n_tokens, D_MODEL), decoded(content))


def test_reader_gives_the_decoded_values(finished):
    """Our own reader finds the same values as the formula."""
    reader = StoreReader(finished / "manifest.json")
    assert (reader.n_snapshots, reader.n_tokens, reader.d_model) == (4, 24, D_MODEL)
    found = [reader.stored(i).astype(np.float32) * reader.scale[i] + reader.offset[i] for i in range(4)]
    np.testing.assert_array_equal(found, decoded(claim(DAYS)))


def test_bytes_do_not_depend_on_the_order_of_filling(finished, tmp_path):
    """Whatever the order in which snapshots arrive, every file is the same."""
    make_store(tmp_path, claim(DAYS), order=[2, 0, 3, 1])
    assert content_of(tmp_path) == content_of(finished)


def test_manifest_is_content_only(finished):
    """The manifest has these fields and no other: no path, host, version or time of making."""
    text = (finished / "manifest.json").read_text()
    manifest = json.loads(text)
    assert str(finished) not in text
    assert set(manifest) == {
        "kind", "format", "block", "split", "d_model", "dtype", "token_grid", "checkpoint_sha256", "static_sha256",
        "config_sha256", "snapshots", "files", "max_abs", "n_nonfinite", "norm_quantiles", "sha256",
    }  # fmt: skip
    chunks = [name for name in manifest["files"] if name.startswith("store.zarr/activation/c/")]
    assert len(chunks) == len(DAYS)
    on_disk = set(content_of(finished)) - {"manifest.json"}
    assert set(manifest["files"]) == on_disk


def test_manifest_of_a_year_stays_under_a_megabyte(finished, tmp_path):
    """Snakemake compares files under 1 MB by content; 366 snapshots stay far below."""
    make_store(tmp_path, claim(DAYS[:1]))
    sizes = [(folder / "manifest.json").stat().st_size for folder in (tmp_path, finished)]
    per_snapshot = (sizes[1] - sizes[0]) / (len(DAYS) - 1)
    assert sizes[0] + 366 * per_snapshot < 500_000


def test_moments_equal_direct_computation(finished):
    """Count, means and centred squares are those of all decoded tokens together."""
    values = decoded(claim(DAYS)).astype(np.float64).reshape(-1, D_MODEL)
    found = StoreReader(finished / "manifest.json").moments()
    assert found["n"].tolist() == [len(values)]
    np.testing.assert_allclose(found["mean"], values.mean(0), rtol=1e-13)
    np.testing.assert_allclose(found["m2"], ((values - values.mean(0)) ** 2).sum(0), rtol=1e-12)


def test_position_mean_equals_direct_computation(finished):
    """Each token's mean over the training snapshots, float32."""
    found = StoreReader(finished / "manifest.json").position_mean()
    np.testing.assert_array_equal(found, decoded(claim(DAYS)).astype(np.float64).mean(0).astype(np.float32))


def test_held_out_store_has_no_position_mean(tmp_path):
    """A mean over held-out snapshots could only leak into a score."""
    make_store(tmp_path, claim(DAYS[:2], split="held_out"))
    assert not (tmp_path / "position_mean.safetensors").exists()
    assert "position_mean.safetensors" not in read_manifest(tmp_path / "manifest.json")["files"]


def test_norms_and_extremes_in_the_manifest(finished):
    """The largest magnitude is exact, and norm quantiles run from least to largest at each level."""
    manifest, values = read_manifest(finished / "manifest.json"), decoded(claim(DAYS))
    assert manifest["max_abs"] == float(np.abs(values).max())
    norms = np.linalg.norm(values.astype(np.float64), axis=2).reshape(len(DAYS), 4, -1)
    for index, level in enumerate(LATENT_LEVELS):
        found = manifest["norm_quantiles"][level]
        assert list(found.values()) == sorted(found.values())
        assert found["0.5"] == pytest.approx(np.median([np.median(n[index]) for n in norms]), rel=1e-6)
    assert all(0 <= s["roundtrip_loss"] < 1e-6 for s in manifest["snapshots"])


def test_chunk_is_the_array_and_its_crc(tmp_path):
    """A chunk file is the raw little-endian array followed by four bytes of crc32c, as the zarr codec writes it."""
    encoded = encode(tokens(claim([3])["snapshots"][0], 24, D_MODEL), "float16")
    paths = StorePaths(tmp_path)
    data = store.write_chunk(paths, 0, encoded)
    assert paths.chunk(0).read_bytes() == data
    assert data[:-4] == encoded.stored.astype("<f2").tobytes()
    assert int.from_bytes(data[-4:], "little") == google_crc32c.value(data[:-4])
    np.testing.assert_array_equal(store.read_chunk(paths.chunk(0), (24, D_MODEL), "float16"), encoded.stored)


@given(st.integers(0, 99), st.lists(st.integers(1, 39), max_size=5), st.sampled_from([0.0, 1.0, 1e6]))
def test_merging_moments_does_not_depend_on_the_parts(seed, cuts, offset):
    """Moments merged from any parts are those of the whole."""
    values = np.random.default_rng(seed).standard_normal((40, 3)) + offset
    parts = np.split(values, sorted(set(cuts)))
    total = moments.Moments(0, np.zeros(3), np.zeros(3))
    for part in parts:
        total = moments.merge(total, moments.of_tokens(part))
    assert total.n == 40
    np.testing.assert_allclose(total.mean, values.mean(0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(total.m2, ((values - values.mean(0)) ** 2).sum(0), rtol=1e-9)


def test_norm_quantiles_are_by_level():
    """Each latent level has its own quantiles of token norms, least and largest included."""
    values = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    found = moments.norm_quantiles(values, 4)
    norms = np.linalg.norm(values.astype(np.float64), axis=1).reshape(4, 10)
    assert found.shape == (4, 5)
    np.testing.assert_allclose(found[:, 0], norms.min(1), rtol=1e-6)
    np.testing.assert_allclose(found[:, -1], norms.max(1), rtol=1e-6)


def test_parts_hold_what_the_manifest_says(finished):
    """Each snapshot's part carries its key and the digest of its chunk."""
    for index, snapshot in enumerate(read_manifest(finished / "manifest.json")["snapshots"]):
        with safe_open(StorePaths(finished).part(snapshot["time"]), framework="numpy") as part:
            assert part.metadata()["key"] == snapshot["key"]
            assert part.metadata()["sha256"] == snapshot["sha256"]
        chunk = StorePaths(finished).chunk(index).read_bytes()
        assert hashlib.sha256(chunk).hexdigest() == snapshot["sha256"]


def test_stores_of_blocks_use_their_own_folder(tmp_path):
    """Block and split name the folder, so that two never write the same files."""
    folders = {StorePaths.of(tmp_path, b, s).folder for b in BY_ID for s in ("train", "held_out")}
    assert len(folders) == 96
    assert load_file(make_store(next(iter(folders)), claim(DAYS[:1])).with_name("moments.safetensors"))["n"] == [24]
