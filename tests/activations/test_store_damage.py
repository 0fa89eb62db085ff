import json

import numpy as np
import pytest
from aurorascope.activations.feed import StoreReader
from aurorascope.activations.manifest import check_files, is_complete, publish, read_manifest
from aurorascope.activations.paths import StorePaths
from aurorascope.errors import UserError
from aurorascope.files import blake3_bytes, sha256_json, write_json
from hypothesis import given
from hypothesis import strategies as st
from tiny import D_MODEL, claim, digest, fill, tokens

from tests.activations.stores import DAYS, add, content_of, writer_on


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
)


def read_all(folder):
    reader = StoreReader(folder / "manifest.json")
    values = [reader.stored(i).tobytes() for i in range(reader.n_snapshots)]
    arrays = [reader.offset, reader.scale, reader.position_mean(), *reader.moments().values()]
    return values + [a.tobytes() for a in arrays]


@pytest.mark.parametrize("name", KINDS)
@given(st.data())
def test_any_flipped_bit_is_refused(writable, name, data):
    """One bit altered anywhere, in data, labels, metadata or the manifest, and the reader refuses the store."""
    path = writable / name
    original = path.read_bytes()
    flipped = bytearray(original)
    position = data.draw(st.integers(0, len(original) - 1))
    flipped[position] ^= 1 << data.draw(st.integers(0, 7))
    before = json.loads((writable / "manifest.json").read_text())
    path.write_bytes(flipped)
    try:
        if name == "manifest.json":
            with pytest.raises(UserError, match=r"rm -f .*manifest\.json && snakemake"):
                read_manifest(path)
        else:
            with pytest.raises(UserError, match="blake3"):
                read_all(writable)
            with pytest.raises(UserError, match="blake3"):
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


def test_manifest_of_the_same_content_in_other_bytes_is_refused(writable):
    """A flip that JSON does not mind, 1e-07 written 1E-07, is damage all the same; so is another layout."""
    path = writable / "manifest.json"
    body = {key: value for key, value in json.loads(path.read_text()).items() if key != "sha256"}
    write_json(path, {**body, "max_abs": 1e-07, "sha256": sha256_json({**body, "max_abs": 1e-07})})
    text = path.read_text()
    assert read_manifest(path)["max_abs"] == 1e-07 and text.count("1e-07") == 1
    for other in (text.replace("1e-07", "1E-07"), text + "\n", text.replace("  ", " "), "\t" + text):
        path.write_text(other)
        with pytest.raises(UserError, match=r"as it was written.*other bytes.*rm -f .*manifest\.json && snakemake"):
            read_manifest(path)


def spoilt(folder, rng, n_flips, n_cuts):
    """Damage one file at a time, of the manifest and every file it names: (name, damage); it is mended afterwards."""
    names = ["manifest.json", *json.loads((folder / "manifest.json").read_text())["files"]]
    for number in range(n_flips + n_cuts):
        # Every file has its turn, whatever its size.
        name = names[number % len(names)]
        path = folder / name
        original = path.read_bytes()
        data = bytearray(original)
        if number < n_flips:
            position, bit = int(rng.integers(len(data))), int(rng.integers(8))
            data[position] ^= 1 << bit
            damage = f"bit {bit} of byte {position}"
        else:
            damage = f"cut to {rng.integers(len(data))} bytes"
            del data[int(damage.split()[2]) :]
        path.write_bytes(data)
        yield name, damage, original, bytes(data)
        path.write_bytes(original)


def is_told(error, folder, name, original, damaged):
    """Whether a message has the file, both digests and the command; of a manifest that is no JSON, no digests."""
    line, manifest = error.one_line(), folder / "manifest.json"
    has_fix = f"rm -f {manifest} && snakemake {manifest} --cores 1" in line
    digests = [blake3_bytes(data) for data in (original, damaged)]
    if name == "manifest.json":
        # Where the file is still JSON of its kind, its own digest speaks.
        own = json.loads(original)["sha256"]
        return has_fix and str(manifest) in line and ("digest" not in line or own in line)
    return has_fix and str(folder / name) in line and all(digest in line for digest in digests)


def undetected(folder, rng, n_flips, n_cuts):
    """Damages that the reader did not refuse before giving anything of the damaged file, or told badly."""
    faults, n = [], 0
    for name, damage, original, damaged in spoilt(folder, rng, n_flips, n_cuts):
        n += 1
        try:
            read_all(folder)
            faults.append(f"{name}, {damage}: not noticed")
        except UserError as error:
            if not is_told(error, folder, name, original, damaged):
                faults.append(f"{name}, {damage}: {error.one_line()}")
    return n, faults


def test_random_damage_is_refused(writable):
    """Bits flipped and files cut short, over every file: each is refused, with file, digests and command."""
    assert undetected(writable, np.random.default_rng(7), 60, 20) == (80, [])
    read_all(writable)


@pytest.mark.slow
@pytest.mark.soak
def test_random_damage_is_refused_a_thousand_times(writable):
    """The long form: 1000 flips and 50 cuts."""
    assert undetected(writable, np.random.default_rng(8), 1000, 50) == (1050, [])


def test_publish_refuses_an_altered_store(writable):
    """A dump job that finds an altered store leaves no manifest."""
    (writable / "manifest.json").unlink()
    path = writable / KINDS[5]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="bytes, found blake3"):
        publish(StorePaths(writable))
    assert not (writable / "manifest.json").exists()


@given(st.data())
def test_any_flipped_bit_of_a_finished_stores_content_is_not_published(writable, data):
    """A dump job takes the store up, or publishes the right manifest, whatever became of `complete.json`."""
    paths, content = StorePaths(writable), claim(DAYS)
    right, original = paths.manifest.read_bytes(), paths.complete.read_bytes()
    flipped = bytearray(original)
    flipped[data.draw(st.integers(0, len(original) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    paths.complete.write_bytes(flipped)
    paths.manifest.unlink()
    try:
        if is_complete(paths, content):
            publish(paths)
            assert paths.manifest.read_bytes() == right
    finally:
        paths.complete.write_bytes(original)
        paths.manifest.write_bytes(right)


COMPLETE = {
    "a digit of the manifest": ('"max_abs": ', '"max_abs": 1'),
    "the digest of the claim": ('"claim_sha256": "', '"claim_sha256": "0'),
    "a key of the manifest": ('"files": ', '"filer": '),
    "the name of the manifest": ('"manifest": ', '"mAnifest": '),
    "the name of the digest": ('"sha256": ', '"sha257": '),
    "a number that is none": ('"max_abs": ', '"max_abs": 1e'),
    "text that is no JSON": ("{", "["),
}


@pytest.mark.parametrize("what", COMPLETE)
def test_a_damaged_content_of_a_finished_store_is_mended(writable, finished, caplog, what):
    """It is refused and no store of its claim; filling it computes nothing, says why, and ends with the same bytes."""
    paths, content = StorePaths(writable), claim(DAYS)
    text = paths.complete.read_text()
    damaged = text.replace(*COMPLETE[what], 1)
    assert damaged != text
    paths.complete.write_text(damaged)
    paths.manifest.unlink()
    assert not is_complete(paths, content)
    if what != "the digest of the claim":
        with pytest.raises(UserError, match=r"complete\.json: .*rm -f .*manifest\.json && snakemake"):
            publish(paths)
        assert not paths.manifest.exists()
    assert fill(paths, content) == []
    assert ("will be mended" in caplog.text) is (what != "the digest of the claim")
    publish(paths)
    assert content_of(writable) == content_of(finished)


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


def test_a_store_of_another_format_is_refused(writable):
    """Format 1, which named sha256 digests, is told apart before a digest is looked for."""
    path = writable / "manifest.json"
    body = {key: value for key, value in json.loads(path.read_text()).items() if key != "sha256"}
    body["format"] = 1
    write_json(path, {**body, "sha256": sha256_json(body)})
    with pytest.raises(UserError, match=r"activations of format 2, found format 1.*rm -f .*manifest\.json && snakemake"):
        StoreReader(path)
