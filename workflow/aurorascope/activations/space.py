"""Room for the stores that are about to be filled, looked at before their first byte.

A dump that meets a full disk after a day loses nothing, but the day. What a store's folder holds already counts as
there: it is either kept or deleted before the first new snapshot is written. Quotas are not seen.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from aurorascope.activations.claim import make_claim
from aurorascope.activations.manifest import is_complete
from aurorascope.activations.paths import StorePaths
from aurorascope.blocks import Block
from aurorascope.config.model import Config
from aurorascope.costs.need import Free, Need, total
from aurorascope.costs.stores import n_tokens, store_need
from aurorascope.errors import UserError, snakemake
from aurorascope.files import read_record
from aurorascope.units import size


def options(config: Config) -> str:
    """What a user can do about a disk that is too small."""
    live = "activations.mode: live (no activations on disk; Aurora computes them again), "
    return (
        f"fewer `blocks`, one block at a time by its file name ({snakemake('results/saes/sae_<block>.pt')}, or "
        "results/dropped/<block>.json with activations.keep: false), "
        f"{live if config.activations.mode == 'dump' else ''}or storage.scratch on another disk"
    )


def free_space(path: Path) -> Free:
    """What is free on the file system that a path lies on; links are followed."""
    found = os.statvfs(path)
    return Free(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None)


def there(folder: Path) -> Need:
    """What a folder holds, itself included; nothing where it does not exist."""
    if not folder.is_dir():
        return Need()
    content, inodes = 0, 1
    for parent, folders, files in os.walk(folder):
        inodes += len(folders) + len(files)
        content += sum(os.lstat(os.path.join(parent, name)).st_size for name in files)
    return Need(content, inodes)


def left_to_write(config: Config, block: Block, split: str, scratch: Path) -> Need:
    """What a store still needs; nothing where it is finished.

    Raises:
        UserError: a record that the store is made from is missing.
    """
    claim, paths = make_claim(config, block, split, scratch), StorePaths.of(scratch, block.id, split)
    if is_complete(paths, claim):
        return Need()
    states = read_record(scratch / "states" / f"{split}.json", "states")
    tokens = n_tokens(block, (len(states["latitude"]), len(states["longitude"])))
    has_chunks = config.activations.mode == "dump"
    need = store_need(tokens, claim["d_model"], claim["dtype"], len(claim["snapshots"]), split, has_chunks=has_chunks)
    return need.beyond(there(paths.folder))


def check_space(config: Config, blocks: Sequence[Block], splits: Sequence[str], scratch: Path) -> None:
    """Refuse to begin stores that the file system of `scratch` cannot hold.

    Raises:
        UserError: fewer bytes or inodes are free than the unfinished stores still need.
    """
    need = total([left_to_write(config, block, split, scratch) for block in blocks for split in splits])
    free = free_space(scratch)
    if free.holds(need):
        return
    inodes = "" if free.inodes is None else f" and {free.inodes:,} files and folders"
    raise UserError(
        f"the file system of {scratch}",
        f"room for what the stores of {len(blocks)} block{'s' if len(blocks) > 1 else ''} still need, "
        f"{size(need.on_disk)} and {need.inodes:,} files and folders",
        f"{size(free.disk)}{inodes} free",
        f"choose {options(config)}",
    )
