"""Bring a store's folder to its claim before anything is computed, keeping every snapshot whose inputs are unchanged."""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

from aurorascope.activations import store
from aurorascope.activations.manifest import read_complete
from aurorascope.activations.parts import good_content
from aurorascope.activations.paths import StorePaths
from aurorascope.errors import UserError
from aurorascope.files import blake3_file, disk_errors, write_json
from aurorascope.tokens import TokenGrid

_LOG = logging.getLogger(__name__)


def take_up(paths: StorePaths, claim: dict[str, Any], grid: TokenGrid, *, keep_chunks: bool) -> set[int]:
    """Make the folder a store under construction, and find out what is already there.

    Args:
        paths: the folder.
        claim: what the store must hold.
        grid: the block's token grid.
        keep_chunks: whether the store keeps its chunks; without them, those that lie there are deleted.

    Returns:
        Indices of the snapshots that are there: a good part and, where chunks are kept, a chunk of the digest it names.

    Raises:
        UserError: the disk is full or read-only.
    """
    _sweep(paths.folder)
    _sweep(paths.folder / "parts")
    parts = {
        index: content
        for index, snapshot in enumerate(claim["snapshots"])
        if (content := good_content(paths.part(snapshot["time"]), snapshot))
    }
    _say_if_damaged(paths)
    # What says that this folder is finished goes first; the marker after it, since it excuses a finished store.
    for path in (paths.complete, paths.manifest, paths.absent):
        path.unlink(missing_ok=True)
    chunks = _good_chunks(paths, claim, parts) if keep_chunks else {}
    with disk_errors(paths.zarr):
        _renew(paths, claim, grid, chunks)
    there = set(chunks) if keep_chunks else set(parts)
    if there:
        _LOG.info("%s: %d snapshots are already there.", paths.folder, len(there))
    return there


def _say_if_damaged(paths: StorePaths) -> None:
    """A finished store is taken up where its configuration changed, which is no news, or where it is damaged, which is."""
    if paths.complete.is_file():
        try:
            read_complete(paths)
        except UserError as error:
            _LOG.warning("The finished store is damaged and will be mended: %s", error.one_line())


def _sweep(folder: Path) -> None:
    """Delete what kills left of files that were being written; whoever holds the folder's lock writes none now."""
    for path in folder.glob(".*.partial"):
        if path.is_file():
            path.unlink()


def _clear(folder: Path, keep: set[Path]) -> None:
    """Delete all files but some, and the folders that are empty then."""
    for path in sorted([folder, *folder.rglob("*")], reverse=True):
        if path.is_file() and path not in keep:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()


def _good_chunks(paths: StorePaths, claim: dict[str, Any], parts: dict[int, dict[str, str]]) -> dict[int, Path]:
    """Chunk files to be kept, by their index in the claim."""
    on_disk, keep = _chunks_on_disk(paths), {}
    for index, content in parts.items():
        chunk = on_disk.get(claim["snapshots"][index]["time"])
        if chunk and blake3_file(chunk) == content["blake3"]:
            keep[index] = chunk
    if len(keep) < len(on_disk):
        _LOG.info(
            "%s: %d of %d snapshots found are damaged or were made from other inputs and are set aside.",
            paths.folder, len(on_disk) - len(keep), len(on_disk),
        )
    return keep


def _times_on_disk(paths: StorePaths) -> list[str]:
    """Times of the snapshots under the claim that the group was made for."""
    if not paths.claim.is_file() or not paths.zarr.is_dir():
        return []
    try:
        return [s["time"] for s in json.loads(paths.claim.read_text())["snapshots"]]
    except (ValueError, KeyError, TypeError):
        # No JSON, or a key of another name.
        _LOG.warning("%s is damaged; all snapshots will be computed again.", paths.claim)
        return []


def _chunks_on_disk(paths: StorePaths) -> dict[str, Path]:
    found = {time: paths.chunk(index) for index, time in enumerate(_times_on_disk(paths))}
    return {time: path for time, path in found.items() if path.is_file()}


def _renew(paths: StorePaths, claim: dict[str, Any], grid: TokenGrid, chunks: dict[int, Path]) -> None:
    """A fresh group of this claim that holds the chunks to be kept and no other."""
    stale = paths.folder / ".stale.zarr"
    # Here already: a kill after the new claim was written leaves what the last line was to delete.
    shutil.rmtree(stale, ignore_errors=True)
    if _times_on_disk(paths) == [s["time"] for s in claim["snapshots"]]:
        # The usual case, a dump that was killed: chunks do not move, so that a kill here loses none.
        _clear(paths.zarr / "activation" / "c", set(chunks.values()))
        store.refresh(paths, claim, grid)
        write_json(paths.claim, claim)
        return
    if paths.zarr.exists():
        paths.zarr.rename(stale)
    store.create(paths, claim, grid)
    for index, path in chunks.items():
        target = paths.chunk(index)
        target.parent.mkdir(parents=True, exist_ok=True)
        (stale / path.relative_to(paths.zarr)).rename(target)
    # Only now: a kill above leaves the old claim, under which fewer chunks are found, never wrong ones.
    write_json(paths.claim, claim)
    shutil.rmtree(stale, ignore_errors=True)
