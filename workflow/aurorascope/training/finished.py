"""The folder of a training, and whether it is over but for its files, told from its checkpoint's header alone.

Snakemake asks this when it sends a training job, which then needs no GPU; so nothing heavy is imported here.
"""

import json
import shutil
from pathlib import Path

FORMAT = 1
CHECKPOINT = "checkpoint.safetensors"
# How the name of a checkpoint ends that did not belong to its training.
ASIDE = ".aside"
_LONGEST_HEADER = 1 << 20


def training_folder(scratch: Path, name: str) -> Path:
    """Where the checkpoint of a training lies under `results/scratch`; `name` is the block, or block and seed."""
    return scratch / "training" / name


def make_claim(block_id: str, config_sha256: str, manifest_sha256: str) -> dict[str, str]:
    """What a checkpoint belongs to.

    Args:
        block_id: the block.
        config_sha256: digest of the training's number-changing configuration.
        manifest_sha256: digest of the activations' manifest.
    """
    return {"format": str(FORMAT), "block": block_id, "config_sha256": config_sha256, "manifest_sha256": manifest_sha256}


def is_finished(path: Path, claim: dict[str, str]) -> bool:
    """Whether a checkpoint of this claim holds the last step; whoever loads it looks at its digest, too."""
    try:
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(size, _LONGEST_HEADER)))
        notes = header["__metadata__"]
        return {key: notes[key] for key in claim} == claim and notes["step"] == notes["n_steps"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def remove(folder: Path) -> None:
    """Delete a training's checkpoint, since the weights are written, and its folder but for what was set aside."""
    (folder / CHECKPOINT).unlink(missing_ok=True)
    if not any(folder.glob(f"*{ASIDE}")):
        shutil.rmtree(folder, ignore_errors=True)
