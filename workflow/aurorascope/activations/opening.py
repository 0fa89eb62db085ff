"""Open a store with the reader that it needs."""

from pathlib import Path
from typing import Any

import torch

from aurorascope.activations.claim import make_claim
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.config.model import Config


def open_reader(manifest_path: Path, config: Config, device: torch.device | None = None) -> StoreReader:
    """The reader of a store's chunks, or of Aurora where they are absent on purpose.

    Args:
        manifest_path: `results/scratch/activations/<block>/<split>/manifest.json`.
        config: the configuration that the store was made with.
        device: where Aurora runs, if it must; None for the configured one.

    Raises:
        UserError: the store is damaged, or of another configuration.
    """
    reader = StoreReader(manifest_path, _claimed(manifest_path, config))
    if not reader.paths.absent.is_file():
        return reader
    # Imported only where snapshots must be computed again: Aurora costs 6 s and 1 GB.
    from aurorascope.activations.live import LiveReader
    from aurorascope.backbone.device import pick_device

    return LiveReader(manifest_path, config, pick_device(config.aurora.device) if device is None else device)


def _claimed(manifest_path: Path, config: Config) -> dict[str, Any] | None:
    """What the store must hold, where the records that say so lie beside it; a store alone is taken at its word."""
    block_id, split = manifest_path.parent.parts[-2:]
    scratch = StorePaths(manifest_path.parent).scratch
    records = (f"states/{split}.json", "checkpoint/checkpoint.json", "static/static.json")
    if not all((scratch / name).is_file() for name in records):
        return None
    return make_claim(config, BY_ID[block_id], split, scratch)
