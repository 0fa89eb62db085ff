import dataclasses
import hashlib
import json

import google_crc32c
import numpy as np
import pytest
import tiny
import xarray as xr
from aurorascope.activations import chunk, moments, rows, store
from aurorascope.activations.encode import encode
from aurorascope.activations.feed import StoreReader
from aurorascope.activations.manifest import read_manifest
from aurorascope.activations.parts import read_part
from aurorascope.activations.paths import StorePaths
from aurorascope.blocks import BY_ID
from aurorascope.files import blake3_bytes
from aurorascope.spec import LATENT_LEVELS
from aurorascope.tokens import token_grid
from hypothesis import given
from hypothesis import strategies as st
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
        "config_sha256", "snapshots", "files", "max_abs", "n_nonfinite", "norm_quantiles",
        "norm_quantiles_by_band", "sha256",
    }
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


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("step", [1, 5, 24])
def test_chunk_is_the_array_and_its_crc(tmp_path, monkeypatch, dtype, step):
    """A chunk file is the raw little-endian array followed by four bytes of crc32c, as the zarr codec writes it."""
    monkeypatch.setattr(chunk, "_PIECE_BYTES", 100)
    encoded = encode(tokens(claim([3])["snapshots"][0], 24, D_MODEL), dtype)
    paths = StorePaths(tmp_path)
    writers = [chunk.ChunkWriter(encoded.stored, path) for path in (paths.chunk(0), None)]
    for writer in writers:
        for end in range(step, 25, step):
            writer.put(end)
    digests = [writer.finish() for writer in writers]
    data = paths.chunk(0).read_bytes()
    assert digests == 2 * [blake3_bytes(data)]
    assert data[:-4] == encoded.stored.astype(encoded.stored.dtype.newbyteorder("<")).tobytes()
    assert int.from_bytes(data[-4:], "little") == google_crc32c.value(data[:-4])
    np.testing.assert_array_equal(store.read_chunk(paths.chunk(0), (24, D_MODEL), dtype), encoded.stored)


def test_abandoned_chunk_leaves_nothing(tmp_path):
    """Neither file nor thread."""
    writer = chunk.ChunkWriter(np.zeros((24, D_MODEL), np.float16), tmp_path / "c")
    writer.put(20)
    writer.abandon()
    assert list(tmp_path.iterdir()) == [] and not writer._thread.is_alive()


def test_stored_bytes_are_those_of_the_first_version(tmp_path, monkeypatch):
    """sha256 of the zarr groups of fixed stores, as they were when every step took whole arrays: speed changes no byte."""
    # Format 2 differs in what digests the manifest holds; the group names its format, and these tokens depend on it.
    monkeypatch.setattr(tiny, "FORMAT", 1)
    expected = {
        ("encoder_s2_b0", "float16"): "d2a0ca4d167fb822cb650dd0a2d200c64ad367a12d593486aa5b82c6f9e9e0b6",
        ("encoder_s0_b0", "float32"): "eca53fcd2d27f7a9ea6b3dfdc6a0382c33e64ee56dadb7604dc493608f96ecf6",
    }
    for (block, dtype), digest in expected.items():
        make_store(tmp_path / dtype, claim(DAYS, block, dtype=dtype))
        files = {name: data for name, data in content_of(tmp_path / dtype).items() if name.startswith("store.zarr")}
        assert hashlib.sha256(b"".join(data for _, data in sorted(files.items()))).hexdigest() == digest, (block, dtype)


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
    norms = np.random.default_rng(0).uniform(1, 2, (4, 10))
    found = moments.quantiles_by_level(norms.reshape(-1), 4)
    assert found.shape == (4, 5)
    np.testing.assert_array_equal(found[:, 0], norms.min(1))
    np.testing.assert_array_equal(found[:, -1], norms.max(1))


def test_norm_quantiles_are_by_band_of_30_degrees():
    """Each band has its own rows, a row on an edge belongs to the north, and both poles count."""
    cells = token_grid(BY_ID["encoder_s0_b0"], np.linspace(90, -90, 181), np.arange(36) * 10.0)
    lat = cells.lat
    # Each token's norm is its latitude, told apart by level: quantiles must then lie inside the band.
    norms = np.broadcast_to(lat[None, :, None], cells.shape) + 1000 * np.arange(4)[:, None, None]
    found = moments.quantiles_by_band(norms.reshape(-1), cells)
    assert found.shape == (4, 6, 5)
    for band, (south, north) in enumerate(((-90, -60), (-60, -30), (-30, 0), (0, 30), (30, 60), (60, 90.1))):
        inside = lat[(lat >= south) & (lat < north)]
        for level in range(4):
            np.testing.assert_allclose(found[level, band, [0, 4]] - 1000 * level, [inside.min(), inside.max()])
    assert moments.BANDS == ("-90..-60", "-60..-30", "-30..0", "0..30", "30..60", "60..90")
    moved = dataclasses.replace(cells, lat=np.where(np.arange(len(lat)) == 20, 30.0, lat))
    assert moments.quantiles_by_band(np.arange(moved.n_tokens) * 1.0, moved)[0, 4, 4] >= 20 * len(cells.lon)


def test_norm_quantiles_by_band_in_the_manifest(tmp_path):
    """Medians over the snapshots, by level and band; a band that no row of this grid lies in is left out."""
    content = claim(DAYS, "encoder_s0_b0")
    manifest, cells = read_manifest(make_store(tmp_path, content)), grid("encoder_s0_b0")
    norms = np.linalg.norm(decoded(content).astype(np.float64), axis=2).reshape(len(DAYS), *cells.shape)
    by_band = manifest["norm_quantiles_by_band"]
    assert list(by_band) == sorted(LATENT_LEVELS)
    north = cells.lat >= 60
    medians = [np.median([np.median(n[level][north]) for n in norms]) for level in range(4)]
    assert [by_band[name]["60..90"]["0.5"] for name in LATENT_LEVELS] == pytest.approx(medians, rel=1e-6)
    coarse = claim(DAYS, "encoder_s2_b0")
    lat = grid("encoder_s2_b0").lat
    made = read_manifest(make_store(tmp_path / "coarse", coarse))["norm_quantiles_by_band"]["surface"]
    assert len(made) == len(lat) == 2


@pytest.mark.parametrize("shape", [(1, 3), (999, 17), (333, 512), (70, 2048), (5000, 100)])
def test_moments_by_blocks_of_rows_have_the_bits_of_whole_arrays(shape, monkeypatch):
    """Rows are added one after the other, so that neither the block's size nor the moment of a change shows."""
    values = (np.random.default_rng(1).standard_normal(shape) * 3 + 100).astype(np.float32)
    wide = values.astype(np.float64)
    shift = wide.mean(axis=0).astype(np.float32).astype(np.float64)
    delta = (wide - shift).sum(axis=0) / len(wide)
    for block_values in (1, 1000, 1 << 16, 1 << 30):
        monkeypatch.setattr(rows, "_BLOCK_VALUES", block_values)
        found = moments.of_tokens(values)
        assert found.n == len(values)
        np.testing.assert_array_equal(found.mean, shift + delta)
        np.testing.assert_array_equal(found.m2, np.square(wide - shift).sum(axis=0) - len(wide) * delta**2)
    np.testing.assert_allclose(found.mean, wide.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.m2, np.square(wide - wide.mean(axis=0)).sum(axis=0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e25])
@pytest.mark.parametrize("mean", [0.0, 1e4])
def test_moments_and_loss_hold_at_any_scale(scale, mean):
    """Means 1e4 times the spread cost m2 nothing, and squares beyond float32's range are not lost."""
    values = ((np.random.default_rng(2).standard_normal((700, 12)) + mean) * scale).astype(np.float32)
    wide = values.astype(np.float64)
    found = moments.TokenMoments(len(values), wide.mean(0).astype(np.float32))
    for part in rows.row_blocks(*values.shape):
        found.see(part, values[part])
    np.testing.assert_allclose(found.result().m2, np.square(wide - wide.mean(0)).sum(0), rtol=1e-9)
    np.testing.assert_allclose(found.norms_n, np.linalg.norm(wide, axis=1), rtol=1e-6)
    encoded = encode(values, "float16")
    error = np.square(encoded.decode().astype(np.float64) - wide).sum()
    assert encoded.loss == pytest.approx(error / np.square(wide - wide.mean(0)).sum(), rel=1e-3)


def test_parts_hold_what_the_manifest_says(finished):
    """Each snapshot's part carries its key and the digest of its chunk."""
    for index, snapshot in enumerate(read_manifest(finished / "manifest.json")["snapshots"]):
        _, content = read_part(StorePaths(finished).part(snapshot["time"]))
        assert (content["key"], content["blake3"]) == (snapshot["key"], snapshot["blake3"])
        chunk = StorePaths(finished).chunk(index).read_bytes()
        assert blake3_bytes(chunk) == snapshot["blake3"]


def test_stores_of_blocks_use_their_own_folder(tmp_path):
    """Block and split name the folder, so that two never write the same files."""
    folders = {StorePaths.of(tmp_path, b, s).folder for b in BY_ID for s in ("train", "held_out")}
    assert len(folders) == 96
    assert load_file(make_store(next(iter(folders)), claim(DAYS[:1])).with_name("moments.safetensors"))["n"] == [24]
