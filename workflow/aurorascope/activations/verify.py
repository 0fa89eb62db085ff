"""Check a finished store against its claim and its own digests, with nothing but hashing.

Imports neither NumPy nor torch: 96 dump jobs that find a complete store must not cost 96 times six seconds.
"""

import json
from pathlib import Path
from typing import Any

from aurorascope.activations.paths import StorePaths
from aurorascope.errors import UserError
from aurorascope.files import read_record, sha256_file, sha256_json, write_json

KIND = "activations"


def seal(content: dict[str, Any]) -> dict[str, Any]:
    """A manifest: its kind, its content, and the digest of both."""
    body = {"kind": KIND, **content}
    return {**body, "sha256": sha256_json(body)}


def read_manifest(path: Path) -> dict[str, Any]:
    """A manifest whose own digest is right.

    Raises:
        UserError: it is missing, unreadable or altered.
    """
    manifest = read_record(path, KIND)
    body = {key: value for key, value in manifest.items() if key != "sha256"}
    found = sha256_json(body)
    if found != manifest.get("sha256"):
        rebuild = StorePaths(path.parent).rebuild_command()
        raise UserError(path, f"its own digest {manifest.get('sha256')}", f"digest {found}", rebuild)
    return manifest


def is_complete(paths: StorePaths, claim: dict[str, Any]) -> bool:
    """Whether the folder holds a finished store of exactly this claim (digests of files are not looked at)."""
    if not paths.complete.is_file():
        return False
    try:
        content = json.loads(paths.complete.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError):
        return False
    return content.get("claim_sha256") == sha256_json(claim)


def check_files(paths: StorePaths, manifest: dict[str, Any]) -> None:
    """Compare every file of a store with the manifest.

    Raises:
        UserError: the first file that is missing, of another size, or altered.
    """
    for name, expected in manifest["files"].items():
        file = paths.folder / name
        if not file.is_file():
            raise UserError(file, "a file of the store", "no such file", paths.rebuild_command())
        size = file.stat().st_size
        if size != expected["size"]:
            raise UserError(file, f"{expected['size']} bytes", f"{size} bytes", paths.rebuild_command())
        found = sha256_file(file)
        if found != expected["sha256"]:
            raise UserError(file, f"sha256 {expected['sha256']}", f"sha256 {found}", paths.rebuild_command())


def publish(paths: StorePaths) -> None:
    """Verify a finished store file by file and write its manifest; the last act of a dump job.

    Raises:
        UserError: a file is missing or altered.
    """
    manifest = json.loads(paths.complete.read_text())["manifest"]
    check_files(paths, manifest)
    write_json(paths.manifest, manifest)
