"""Checkpoints of a training: everything that the next step depends on, in one file, complete or absent.

A checkpoint carries the digests of the configuration and of the activations it belongs to. One of another configuration or
data, or one that cannot be read, is set aside and never resumed from; the last one set aside stays, also when training is
done. Weights that are not finite are not saved.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from aurorascope.errors import TryAgainError
from aurorascope.files import sha256_json, sweep, write_bytes
from aurorascope.sae.digest import tensor_digest
from aurorascope.training.finished import ASIDE, CHECKPOINT, make_claim, remove

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """What a checkpoint holds.

    Attributes:
        tensors: what `Trainer.state` gave.
        step: optimiser steps done.
        notes: what `Trainer.notes` gave.
    """

    tensors: dict[str, torch.Tensor]
    step: int
    notes: dict[str, str]


class Checkpoint:
    """The checkpoint of one block's training.

    Args:
        folder: `results/scratch/training/<block>`.
        block_id: the block.
        config_sha256: digest of the training's number-changing configuration.
        manifest_sha256: digest of the activations' manifest.
    """

    def __init__(self, folder: Path, block_id: str, config_sha256: str, manifest_sha256: str) -> None:
        self.folder, self.path = folder, folder / CHECKPOINT
        self._claim = make_claim(block_id, config_sha256, manifest_sha256)

    def save(self, tensors: dict[str, torch.Tensor], step: int, notes: dict[str, str]) -> None:
        """Write a checkpoint atomically.

        Args:
            tensors: what `Trainer.state` returned.
            step: optimiser steps done.
            notes: what `Trainer.notes` returned.

        Raises:
            UserError: the disk is full or read-only.
        """
        copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        claim = {**self._claim, **notes, "step": str(step)}
        write_bytes(self.path, save(copies, metadata={**claim, "sha256": _digest(claim, copies)}))

    def load(self) -> Found | None:
        """What there is to resume from, or None where there is nothing to resume from.

        What a kill left of a checkpoint that was being written is deleted; whoever trains holds the folder's lock.

        Raises:
            UserError: the disk cannot be read or written.
        """
        sweep(self.path)
        if not self.path.is_file():
            return None
        try:
            with safe_open(str(self.path), "pt") as file:
                claim = dict(file.metadata() or {})
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            return self._set_aside(f"it cannot be read ({error})")
        except OSError as error:
            # The disk's fault, perhaps for a moment: no reason to begin anew.
            raise TryAgainError(self.path, "a readable checkpoint", str(error), "run the same command again") from error
        expected = claim.pop("sha256", None)
        if expected is None or expected != _digest(claim, tensors):
            return self._set_aside("its digest is not that of its content")
        for key, value in self._claim.items():
            if claim.get(key) != value:
                return self._set_aside(f"its {key} is {claim.get(key)}, and this training's {value}")
        notes = {key: value for key, value in claim.items() if key not in self._claim and key != "step"}
        return Found(tensors, int(claim["step"]), notes)

    def _set_aside(self, why: str) -> None:
        aside = self.path.with_suffix(f"{self.path.suffix}{ASIDE}")
        os.replace(self.path, aside)
        _LOG.warning("A checkpoint is set aside as %s: %s. Training begins anew.", aside, why)

    def remove(self) -> None:
        """Delete the checkpoint, since the weights are written, and the folder but for what was set aside."""
        remove(self.folder)


def _digest(claim: dict[str, str], tensors: dict[str, torch.Tensor]) -> str:
    return sha256_json([claim, tensor_digest(tensors)])
