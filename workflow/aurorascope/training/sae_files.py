"""Where the files of one SAE lie, and what its record says that it was made from; nothing heavy is imported here."""

from pathlib import Path
from typing import Any

from aurorascope.activations.manifest import read_manifest
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import sweep
from aurorascope.locks import folder_lock
from aurorascope.records import KINDS
from aurorascope.training.finished import remove, training_folder
from aurorascope.waiting import Waiting

_PROVENANCE = "training/{block}.provenance.json"


class SaeFiles:
    """Where the files of one block's SAE lie under the results folder.

    Args:
        results: the results folder.
        block_id: the block.
    """

    def __init__(self, results: Path, block_id: str) -> None:
        self.weights = results / "saes" / f"sae_{block_id}.pt"
        self.record = results / "saes" / f"sae_{block_id}.json"
        self.golden = results / "saes" / "golden" / f"{block_id}.safetensors"
        self.saelens_config = results / "saelens" / block_id / "cfg.json"
        self.saelens_weights = self.saelens_config.with_name("sae_weights.safetensors")
        self.log = results / "training" / f"{block_id}.parquet"
        self.provenance = results / _PROVENANCE.format(block=block_id)

    def sweep(self) -> None:
        """Delete what kills left of writing any of them; for whoever holds the training's lock.

        Raises:
            UserError: the disk is read-only or broken.
        """
        for path in vars(self).values():
            sweep(path)


def check_trained_on(record: dict[str, Any], where: Path, train: dict[str, Any], manifest: Path) -> None:
    """Refuse an SAE of another block, base checkpoint or training store than that of a manifest.

    Args:
        record: the SAE's.
        where: the file it was read from.
        train: content of the manifest.
        manifest: the file that was read from.

    Raises:
        UserError: they do not belong together.
    """
    expected = {
        "block": train["block"],
        "checkpoint_sha256": train["checkpoint_sha256"],
        "activations_manifest_sha256": train["sha256"],
    }
    for key, value in expected.items():
        if record[key] != value:
            raise UserError.stale(where, f"an SAE with {key} {value}, as {manifest} has it", str(record[key]))


def sae_claim(config: Config, block_id: str, manifest: Path) -> dict[str, str]:
    """The part of an SAE's record that says what it must have been made from.

    Raises:
        UserError: the manifest of the training activations is missing or altered.
    """
    return {
        "block": block_id,
        "train_config_sha256": stage_digest(config, "train_sae"),
        "activations_manifest_sha256": read_manifest(manifest)["sha256"],
    }


def waiting_sae(results: Path, block_id: str) -> Waiting:
    """The SAE of a block, in its place or left by `train_together`."""
    return Waiting(KINDS["sae"], results, block_id)


def leave_sae(waiting: Waiting) -> None:
    """Say that the files of an SAE are finished, what it was made with included."""
    waiting.leave([_PROVENANCE])


def adopt_sae(config: Config, block_id: str, manifest: Path, results: Path) -> bool:
    """Put what `train_together` left of a block in its place, and delete its training; False where nothing was left.

    Raises:
        UserError: the manifest is missing or altered, or another process trains the block.
    """
    waiting, claim = waiting_sae(results, block_id), sae_claim(config, block_id, manifest)
    if not waiting.is_waiting(claim):
        return False
    folder = training_folder(results / "scratch", block_id)
    with folder_lock(folder):
        SaeFiles(results, block_id).sweep()
        if not waiting.adopt(claim):
            return False
        remove(folder)
    return True
