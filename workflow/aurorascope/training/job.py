"""One training from its checkpoint, if it has one, to its weights; and a block's SAE from that to its files."""

import contextlib
from pathlib import Path
from typing import Any

import torch

from aurorascope.activations.feed import Feed, open_feed
from aurorascope.activations.manifest import absence, read_manifest
from aurorascope.activations.opening import open_reader
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.backbone.device import pick_device
from aurorascope.blocks import Block, Stage
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.files import write_json
from aurorascope.locks import folder_lock
from aurorascope.provenance import provenance
from aurorascope.training import engine
from aurorascope.training.areas import cell_areas
from aurorascope.training.checkpoint import Checkpoint
from aurorascope.training.export import export
from aurorascope.training.finished import CHECKPOINT, is_finished, make_claim, training_folder
from aurorascope.training.sae_files import SaeFiles
from aurorascope.training.trainer import Trained, Trainer


class TrainingJob:
    """The training of one SAE and the folder in which it can be resumed.

    Args:
        config: the configuration; its `sae.seed` is the training's.
        block: the block or stage.
        reader: its training activations.
        folder: where its checkpoint and lock lie.
        device: where it is trained.
        made_by: the stage of the workflow whose settings it answers to.

    Attributes:
        checkpoint: where it resumes from and saves to; it stays until whoever uses the weights removes it.
    """

    def __init__(
        self, config: Config, block: Block | Stage, reader: StoreReader, folder: Path, device: torch.device, made_by: str = "train_sae"
    ) -> None:
        self.config, self.block, self.reader, self.device = config, block, reader, device
        self.checkpoint = Checkpoint(folder, block.id, stage_digest(config, made_by), reader.manifest["sha256"])

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the folder's lock; `trainer` and `run` are for whoever holds it."""
        return folder_lock(self.checkpoint.folder)

    def trainer(self) -> Trainer:
        """A trainer in memory, after the last step that the checkpoint holds.

        Raises:
            UserError: a target is out of reach, there is too little memory, or the disk cannot be read or written.
        """
        area_n = cell_areas(self.config.sae, self.block, self.reader.paths.scratch)
        return engine.prepare(self.reader, self.block, self.config.sae, self.device, self.checkpoint, area_n)

    def saver(self) -> engine.Saver:
        """What decides when a checkpoint is due, counted from now."""
        return engine.Saver(self.checkpoint, self.config.sae.checkpoint_minutes)

    def run(self, feed: Feed | None = None, keep: bool = False) -> tuple[Trained, dict[str, Any]]:
        """Do the remaining steps, if any.

        Args:
            feed: the reader's activations, where several trainings share them; None to open them if a step remains.
            keep: save the finished training, for a later job to resume.

        Returns:
            The result, a function of the activations, the block and the configuration alone, whatever interruptions
            there were; and what it was made with: `device` of the steps and, if any were done here, `steps` and `rows_per_s`.

        Raises:
            UserError: as `trainer`; or training diverged, or no feature fires.
            SystemExit: status 143, after a checkpoint, when SIGTERM or Ctrl-C asked to stop.
        """
        trainer, made_with = self.trainer(), {}
        if not trainer.is_done:
            saver = self.saver()
            # A feed of its own is bound to no name: its memory is free once the steps are done.
            made_with = engine.run(trainer, self._feed() if feed is None else feed, saver)
            if keep:
                saver.save(trainer)
        return engine.conclude(trainer), {"device": trainer.trained_on, **made_with}

    def _feed(self) -> Feed:
        return open_feed(self.reader, self.device, self.config.sae.shuffle == "rows")


def train_sae(config: Config, block: Block, manifest: Path, results: Path) -> None:
    """Train the SAE of one block, or resume its training, and write its files (`SaeFiles`).

    Raises:
        UserError: the activations are damaged or of another configuration, another process trains this block, or as `run`.
        SystemExit: as `run`.
    """
    folder = training_folder(results / "scratch", block.id)
    device = _device(config, block, manifest, folder)
    job = TrainingJob(config, block, open_reader(manifest, config, device), folder, device)
    with job.locked():
        SaeFiles(results, block.id).sweep()
        make_sae(job, results)
        job.checkpoint.remove()


def make_sae(job: TrainingJob, results: Path) -> None:
    """Do a training's remaining steps and write the SAE's files under a results folder, for whoever holds the job's lock.

    Raises:
        UserError, SystemExit: as `TrainingJob.run`.
    """
    # Before it trains: code that changes meanwhile makes nothing of it.
    made_with = provenance(job.device, job.config.compute)
    trained, of_steps = job.run()
    write_sae(job, trained, {**made_with, **of_steps}, results)


def write_sae(job: TrainingJob, trained: Trained, made_with: dict[str, Any], results: Path) -> None:
    """Write the files of a finished training and what it was made with."""
    if job.reader.recomputed_on:
        made_with = {**made_with, "activations_recomputed_on": job.reader.recomputed_on}
    write_json(SaeFiles(results, job.block.id).provenance, made_with)
    export(job.config, job.block, trained, job.reader, results)


def _device(config: Config, block: Block, manifest: Path, folder: Path) -> torch.device:
    """The configured one; the CPU where only the export is left, whose job has asked for no GPU and must not take one."""
    claim = make_claim(block.id, stage_digest(config, "train_sae"), read_manifest(manifest)["sha256"])
    if absence(StorePaths(manifest.parent)) is None and is_finished(folder / CHECKPOINT, claim):
        return torch.device("cpu")
    return pick_device(config.aurora.device)
