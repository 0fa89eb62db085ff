"""Scrub stores: compare every byte that a manifest vouches for with its digest, and say what was found of each.

Looks only; nothing is written, mended or locked. Imports neither NumPy nor torch.
"""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurorascope.activations.manifest import absence, check_file, files_to_check, read_manifest
from aurorascope.activations.paths import StorePaths
from aurorascope.blocks import BLOCK_IDS
from aurorascope.config.calendar import SPLITS
from aurorascope.errors import UserError

STATES = ("in order", "live", "dropped", "unfinished", "damaged")
# What a store's folder holds beside the files that its manifest names.
_OWN = {"manifest.json", "complete.json", "claim.json", "provenance.json", "absent.json", "lock"}


@dataclass(frozen=True)
class Store:
    """A store's folder as it is before its files are hashed.

    Attributes:
        paths: where it lies.
        manifest: its content; None where the store is unfinished or the manifest damaged.
        todo: files that must be there, each with its size and digest.
        error: what is wrong with the manifest or the marker `absent.json`.
    """

    paths: StorePaths
    manifest: dict[str, Any] | None
    todo: dict[Path, dict[str, Any]]
    error: UserError | None


@dataclass(frozen=True)
class Finding:
    """What scrubbing one store found.

    Attributes:
        folder: the store's.
        state: one of `STATES`; live and dropped stores are in order but for chunks, which are absent on purpose.
        errors: what is wrong, one for each file.
        extra: names of files in the folder that are no part of the store; harmless.
    """

    folder: Path
    state: str
    errors: tuple[UserError, ...]
    extra: tuple[str, ...]


def find_stores(scratch: Path) -> list[Store]:
    """The stores under `results/scratch`, in forward order."""
    paths = [StorePaths.of(scratch, block, split) for block in BLOCK_IDS for split in SPLITS]
    return [_look(p) for p in paths if p.folder.is_dir()]


def _look(paths: StorePaths) -> Store:
    if not paths.manifest.exists():
        return Store(paths, None, {}, None)
    try:
        manifest = read_manifest(paths.manifest)
        return Store(paths, manifest, files_to_check(paths, manifest), None)
    except UserError as error:
        return Store(paths, None, {}, error)


def scrub(store: Store, threads: Executor, step: Callable[[int], None]) -> Finding:
    """Hash a store's files.

    Args:
        store: one of `find_stores`.
        threads: hash the files, a file each.
        step: called after each file with its size in bytes.
    """
    folder = store.paths.folder
    if store.manifest is None:
        state = "damaged" if store.error else "unfinished"
        return Finding(folder, state, (store.error,) if store.error else (), ())
    rebuild = store.paths.rebuild_command()
    faults = []
    for fault, expected in zip(
        threads.map(lambda item: _fault(*item, rebuild), store.todo.items()), store.todo.values(), strict=True
    ):
        faults += [fault] if fault else []
        step(expected["size"])
    state = "damaged" if faults else absence(store.paths) or "in order"
    return Finding(folder, state, tuple(faults), _extra(store))


def _fault(path: Path, expected: dict[str, Any], rebuild: str) -> UserError | None:
    try:
        check_file(path, expected, rebuild)
    except UserError as error:
        return error
    return None


def _extra(store: Store) -> tuple[str, ...]:
    folder, parts = store.paths.folder, {store.paths.part(s["time"]) for s in store.manifest["snapshots"]}
    known = {folder / name for name in (*_OWN, *store.manifest["files"])} | parts
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path not in known)
    return tuple(str(path.relative_to(folder)) for path in found)
