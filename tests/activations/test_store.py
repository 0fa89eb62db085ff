import hashlib
import json
import os
import shutil
import subprocess
import sys

import google_crc32c
import numpy as np
import pytest
import xarray as xr
from aurorascope.activations import moments, store
from aurorascope.activations.encode import encode
from aurorascope.activations.feed import StoreReader
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.verify import check_files, is_complete, publish, read_manifest
from aurorascope.activations.writer import StoreWriter
from aurorascope.blocks import BY_ID, LATENT_LEVELS
from aurorascope.errors import UserError
from aurorascope.files import sha256_json, write_json
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load_file
from tiny import BLOCK, D_MODEL, claim, digest, fill, grid, make_store, tokens

DAYS = (3, 4, 5, 6)


def content_of(folder):
    """Bytes of the files that make a store, by name; lock, claim and parts left out."""
    names = ["manifest.json", "moments.safetensors", "position_mean.safetensors"]
    files = [folder / name for name in names] + sorted(p for p in (folder / "store.zarr").rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def decoded(content):
    """What a reader must find: each snapshot encoded and decoded on its own, (time, n_tokens, d)."""
    cells = grid(content["block"])
    values = [tokens(s, cells.n_tokens, content["d_model"]) for s in content["snapshots"]]
    return np.stack([encode(v, content["dtype"]).decode() for v in values])


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """One published store, read only."""
    folder = tmp_path_factory.mktemp("finished")
    make_store(folder, claim(DAYS))
    return folder


@pytest.fixture
def writable(finished, tmp_path):
    """A copy of it to be spoilt."""
    return shutil.copytree(finished, tmp_path / "store")


# ------------------------------------------------------------------------------------------------ what it holds


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


# ------------------------------------------------------------------------------------------------------ resuming


def writer_on(folder, content):
    return StoreWriter(StorePaths(folder), content, grid(content["block"]))


def add(writer, *indices):
    for index in indices:
        snapshot = writer.claim["snapshots"][index]
        writer.add(index, tokens(snapshot, writer.grid.n_tokens, writer.claim["d_model"]))


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
        patch.setattr("aurorascope.activations.writer.write_json", killed)
        with pytest.raises(KeyboardInterrupt):
            writer_on(tmp_path, claim(DAYS))
    fill(paths, claim(DAYS))
    publish(paths)
    assert content_of(tmp_path) == content_of(finished)


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


# ------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_activations_that_are_not_finite_are_refused(tmp_path, value):
    """One NaN ends the dump with its place, and neither chunk nor part nor manifest is left of that snapshot."""
    writer, content = writer_on(tmp_path, claim(DAYS[:2])), claim(DAYS[:2])
    bad = tokens(content["snapshots"][0], 24, D_MODEL)
    bad[5, 2] = value
    with pytest.raises(UserError, match=r"encoder_s2_b0 at 2022-06-03T12:00:00Z: .*found 1 that are not"):
        writer.add(0, bad)
    paths = StorePaths(tmp_path)
    assert not paths.chunk(0).exists() and not paths.part(content["snapshots"][0]["time"]).exists()
    assert not paths.complete.exists() and not paths.manifest.exists()
    assert writer.missing == {0, 1}


@pytest.mark.parametrize("shape", [(23, D_MODEL), (24, D_MODEL + 1), (1, 24, D_MODEL)])
def test_activations_of_another_shape_are_refused(tmp_path, shape):
    """Tokens that do not fill the grid are refused before anything is written."""
    with pytest.raises(UserError, match=r"expected shape \(24, 6\)"):
        writer_on(tmp_path, claim(DAYS[:1])).add(0, np.zeros(shape, np.float32))


def test_chunk_altered_while_dumping_is_not_finished(tmp_path):
    """The finishing read compares every chunk with what was written."""
    writer = writer_on(tmp_path, claim(DAYS[:2]))
    add(writer, 0, 1)
    path = StorePaths(tmp_path).chunk(0)
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(UserError, match="found other bytes"):
        writer.finish()
    assert not (tmp_path / "complete.json").exists()


KINDS = (
    "manifest.json", "moments.safetensors", "position_mean.safetensors", "store.zarr/zarr.json",
    "store.zarr/activation/zarr.json", "store.zarr/activation/c/2/0/0/0/0", "store.zarr/lat/zarr.json",
    "store.zarr/lat/c/0", "store.zarr/time/c/0", "store.zarr/latent_level/c/0", "store.zarr/offset/c/0/0",
    "store.zarr/scale/c/0/0",
)  # fmt: skip


def read_all(folder):
    reader = StoreReader(folder / "manifest.json")
    values = [reader.stored(i).tobytes() for i in range(reader.n_snapshots)]
    arrays = [reader.offset, reader.scale, reader.position_mean(), *reader.moments().values()]
    return values + [a.tobytes() for a in arrays]


@pytest.mark.parametrize("name", KINDS)
@given(st.data())
def test_any_flipped_bit_is_refused(writable, name, data):
    """One bit altered anywhere, in data, labels, metadata or the manifest, and the reader refuses the store.

    In the manifest a flip may leave the content as it was (1e-07 written 1E-07); then nothing is wrong.
    """
    path = writable / name
    original = path.read_bytes()
    flipped = bytearray(original)
    position = data.draw(st.integers(0, len(original) - 1))
    flipped[position] ^= 1 << data.draw(st.integers(0, 7))
    before = json.loads((writable / "manifest.json").read_text())
    path.write_bytes(flipped)
    try:
        if name == "manifest.json":
            try:
                assert read_manifest(path) == before
            except UserError:
                return
        else:
            with pytest.raises(UserError, match="sha256"):
                read_all(writable)
            with pytest.raises(UserError, match="sha256"):
                check_files(StorePaths(writable), before)
    finally:
        path.write_bytes(original)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("damage", ["truncated", "longer", "missing"])
def test_truncated_and_missing_files_are_refused(writable, name, damage):
    """A file cut short, grown or gone is refused with the command that makes the store again."""
    path = writable / name
    manifest = read_manifest(writable / "manifest.json")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-3] if damage == "truncated" else path.read_bytes() + b"}}}")
    with pytest.raises(UserError, match=r"rm -f .*manifest\.json && snakemake .*manifest\.json"):
        read_all(writable)
    if name != "manifest.json":
        with pytest.raises(UserError, match=r"rm -f .*manifest\.json"):
            check_files(StorePaths(writable), manifest)


def test_publish_refuses_an_altered_store(writable):
    """A dump job that finds an altered store leaves no manifest."""
    (writable / "manifest.json").unlink()
    path = writable / KINDS[5]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="bytes, found"):
        publish(StorePaths(writable))
    assert not (writable / "manifest.json").exists()


def test_manifest_whose_content_was_changed_by_hand_is_refused(writable):
    """A manifest edited, even into valid JSON of the right kind, is refused by its own digest."""
    path = writable / "manifest.json"
    manifest = json.loads(path.read_text())
    write_json(path, {**manifest, "checkpoint_sha256": digest("other")})
    with pytest.raises(UserError, match="its own digest"):
        StoreReader(path)
    write_json(path, {**manifest, "max_abs": 10**6})
    with pytest.raises(UserError, match="its own digest"):
        read_manifest(path)
    path.write_text(path.read_text().replace("1000000", "NaN"))
    with pytest.raises(UserError):
        read_manifest(path)


def test_record_of_another_kind_is_not_a_manifest(tmp_path):
    """The record of an SAE, say, is not taken for a store."""
    body = {"kind": "sae", "files": {}}
    write_json(tmp_path / "manifest.json", {**body, "sha256": sha256_json(body)})
    with pytest.raises(UserError, match="expected a record of kind activations, found kind sae"):
        read_manifest(tmp_path / "manifest.json")


# ----------------------------------------------------------------------------------------------------- the lock

TRY = """
import sys
from pathlib import Path
from aurorascope.activations.paths import StorePaths
from aurorascope.errors import UserError
try:
    with StorePaths(Path(sys.argv[1])).locked():
        print("got it")
except UserError as error:
    print(error.one_line())
"""


def test_lock_keeps_a_second_process_out(tmp_path):
    """While one process writes, another is told so; afterwards it may."""
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}

    def other():
        run = subprocess.run([sys.executable, "-c", TRY, str(tmp_path)], capture_output=True, text=True, env=env)
        assert run.returncode == 0, run.stderr
        return run.stdout

    with StorePaths(tmp_path).locked():
        assert "another process holds the lock" in other()
    assert other() == "got it\n"


def test_lock_is_freed_by_an_error(tmp_path):
    """A failed dump leaves no lock behind."""
    paths = StorePaths(tmp_path)
    with pytest.raises(ZeroDivisionError), paths.locked():
        raise ZeroDivisionError
    with paths.locked():
        pass


# --------------------------------------------------------------------------------------------------- the pieces


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
