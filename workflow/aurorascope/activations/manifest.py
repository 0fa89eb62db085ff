"""The manifest of a finished store: write it, read it, and check the store against it, with nothing but hashing.

Imports neither NumPy nor torch: 96 dump jobs that find a complete store must not cost 96 times six seconds.
"""

import json
from pathlib import Path
from typing import Any

from aurorascope.activations.paths import StorePaths
from aurorascope.errors import UserError
from aurorascope.files import blake3_file, read_record, sha256_json, write_json

KIND = "activations"
# 1 had sha256 where 2 has BLAKE3.
FORMAT = 2
_CHUNKS = "store.zarr/activation/c/"
_REASONS = ("live", "dropped")


def seal(content: dict[str, Any]) -> dict[str, Any]:
    """A manifest: its kind, its content, and the digest of both."""
    body = {"kind": KIND, **content}
    return {**body, "sha256": sha256_json(body)}


def read_manifest(path: Path) -> dict[str, Any]:
    """A manifest of this format whose own digest is right and whose bytes are those that `write_json` gives its content.

    Raises:
        UserError: it is missing, unreadable, altered or of another format.
    """
    manifest = read_record(path, KIND)
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    expected, found = manifest.get("sha256"), sha256_json(body)
    rebuild = StorePaths(path.parent).rebuild_command()
    if manifest.get("format") != FORMAT:
        raise UserError(path, f"activations of format {FORMAT}", f"format {manifest.get('format')}", rebuild)
    if found != expected:
        raise UserError(path, f"its own digest {expected}", f"digest {found}", rebuild)
    # A flipped bit may leave the content as it was (1e-07 written 1E-07); the file is damaged all the same.
    text = json.dumps(manifest, sort_keys=True, indent=2) + "\n"
    if path.read_bytes() != text.encode():
        raise UserError(path, f"its content of digest {expected} as it was written", "other bytes for it", rebuild)
    return manifest


def check_claim(manifest: dict[str, Any], claim: dict[str, Any], path: Path) -> None:
    """Compare the manifest in the file `path` with what its store must hold (`claim.make_claim`).

    Raises:
        UserError: another block, split, precision, checkpoint, static, configuration or snapshot.
    """
    rebuild = StorePaths(path.parent).rebuild_command()
    for key in sorted(set(claim) - {"snapshots"}):
        if manifest.get(key) != claim[key]:
            raise UserError(path, f"{key} {claim[key]}", f"{key} {manifest.get(key)}", rebuild)
    wanted, there = ({s["time"]: s["key"] for s in content["snapshots"]} for content in (claim, manifest))
    if list(wanted) != list(there):
        raise UserError(path, f"snapshots at {_listed(list(wanted))}", _listed(list(there)), rebuild)
    for time, key in wanted.items():
        if there[time] != key:
            raise UserError(f"{path}, snapshot {time}", f"inputs of key {key}", f"key {there[time]}", rebuild)


def states_digest(manifest: dict[str, Any]) -> str:
    """sha256 over the CAMS states that a store was made from: times and content, whatever model and precision."""
    return sha256_json([[s["previous"], s["time"], s["inputs"]] for s in manifest["snapshots"]])


def _listed(times: list[str]) -> str:
    return f"{len(times)} times from {times[0]} to {times[-1]}" if times else "none"


def read_complete(paths: StorePaths) -> dict[str, Any]:
    """What whoever finished a store left in `complete.json`: the digest of the claim, and the manifest under its own seal.

    Raises:
        UserError: it is missing, unreadable or altered.
    """
    path, rebuild = paths.complete, paths.rebuild_command()
    try:
        content = json.loads(path.read_bytes())
        body = dict(content["manifest"])
        expected, found = body.pop("sha256"), sha256_json(body)
    except FileNotFoundError:
        raise missing(path, rebuild) from None
    except (ValueError, KeyError, TypeError) as error:
        # A flipped bit makes bytes that are no text, text that is no JSON, or a key of another name.
        what = f"{type(error).__name__}: {error}"
        raise UserError(path, "the content of a manifest", f"damaged JSON ({what})", rebuild) from None
    if found != expected:
        raise UserError(path, f"its manifest's own digest {expected}", f"digest {found}", rebuild)
    return content


def is_complete(paths: StorePaths, claim: dict[str, Any]) -> bool:
    """Whether the folder holds a finished store of exactly this claim (digests of files are not looked at).

    A damaged `complete.json` says nothing of the sort: whoever fills the store then finds its snapshots and writes it anew.
    """
    if not paths.complete.is_file():
        return False
    try:
        return read_complete(paths).get("claim_sha256") == sha256_json(claim)
    except UserError:
        return False


def is_chunk(name: str) -> bool:
    """Whether a manifest's file name is that of a chunk of activations."""
    return name.startswith(_CHUNKS)


def absence(paths: StorePaths) -> str | None:
    """Why a store has no chunks on purpose, "live" or "dropped"; None where it must have them.

    Raises:
        UserError: the marker `absent.json` is damaged.
    """
    path = paths.absent
    if not path.is_file():
        return None
    why = read_record(path, "absent").get("why")
    if why not in _REASONS:
        raise UserError(path, f"why: {' or '.join(_REASONS)}", f"why: {why}", f"rm -f {path}; {paths.rebuild_command()}")
    return why


def missing(path: Path, rebuild: str) -> UserError:
    """The error for a file of a store that is not there."""
    return UserError(path, "a file of the store", "no such file", rebuild)


def unreadable(path: Path, error: OSError, rebuild: str) -> UserError:
    """The error for a file of a store that the system cannot read."""
    return UserError(path, "a readable file of the store", error.strerror or str(error), rebuild)


def damaged(path: Path, expected: dict[str, Any], rebuild: str) -> UserError:
    """The error for a file of a store with other bytes than the manifest says; hashes the file as it is now."""
    found = f"blake3 {blake3_file(path)} over {path.stat().st_size} bytes"
    return UserError(path, f"blake3 {expected['blake3']} over {expected['size']} bytes", found, rebuild)


def check_file(path: Path, expected: dict[str, Any], rebuild: str) -> None:
    """Compare one file with its entry in the manifest.

    Args:
        path: the file.
        expected: its `size` in bytes and its `blake3`.
        rebuild: the command that makes it again, for the message.

    Raises:
        UserError: it is missing, unreadable, of another size, or altered.
    """
    try:
        is_whole = path.stat().st_size == expected["size"] and blake3_file(path) == expected["blake3"]
        if not is_whole:
            raise damaged(path, expected, rebuild)
    except FileNotFoundError:
        raise missing(path, rebuild) from None
    except OSError as error:
        raise unreadable(path, error, rebuild) from error


def files_to_check(paths: StorePaths, manifest: dict[str, Any]) -> dict[Path, dict[str, Any]]:
    """The files that must be there, each with its size and digest: all of them, or all but absent chunks.

    Raises:
        UserError: the marker `absent.json` is damaged.
    """
    is_absent = absence(paths) is not None
    named = {name: paths.folder / name for name in manifest["files"]}
    # A chunk that is there although it need not be must still be right.
    return {
        path: manifest["files"][name]
        for name, path in named.items()
        if not (is_absent and is_chunk(name) and not path.exists())
    }


def check_files(paths: StorePaths, manifest: dict[str, Any]) -> None:
    """Compare every file of a store with the manifest; chunks that are absent on purpose are not missed.

    Raises:
        UserError: the first file that is missing, of another size, or altered.
    """
    for path, expected in files_to_check(paths, manifest).items():
        check_file(path, expected, paths.rebuild_command())


def publish(paths: StorePaths) -> None:
    """Verify a finished store file by file and write its manifest; the last act of a dump job.

    Raises:
        UserError: a file is missing or altered, `complete.json` included.
    """
    manifest = read_complete(paths)["manifest"]
    check_files(paths, manifest)
    write_json(paths.manifest, manifest)
