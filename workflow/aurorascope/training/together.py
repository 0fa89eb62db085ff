"""Many SAEs in one process, each bit for bit what it would be alone, their files left for their own jobs to adopt.

Where activations are on disk, blocks come one after the other: each byte is read once where a block's store fits in memory,
and no job pays for its own start. Where Aurora must compute them, all SAEs are in memory, and one forward a snapshot and
epoch serves them all.
"""

import contextlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from aurorascope.activations.feed import StreamFeed, epoch_order
from aurorascope.activations.opening import open_reader
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import Block
from aurorascope.config.model import Config
from aurorascope.errors import UserError
from aurorascope.failures import Failures
from aurorascope.progress import Progress
from aurorascope.provenance import provenance
from aurorascope.training import engine
from aurorascope.training.engine import Saver
from aurorascope.training.finished import training_folder
from aurorascope.training.job import TrainingJob, make_sae, write_sae
from aurorascope.training.micro_batch import usual_rows
from aurorascope.training.sae_files import leave_sae, sae_claim, waiting_sae
from aurorascope.training.trainer import Trainer

if TYPE_CHECKING:
    from aurorascope.activations.live import Forwards

_LOG = logging.getLogger(__name__)


class Together:
    """The trainings of one call.

    Args:
        config: the configuration.
        results: the results folder.
        device: where SAEs are trained, and Aurora runs where it must.
    """

    def __init__(self, config: Config, results: Path, device: torch.device) -> None:
        self.config, self.results, self.device = config, results, device
        self.scratch = results / "scratch"

    def train(self, blocks: list[Block]) -> None:
        """Bring every block's training to its end, but for those whose SAE is there already.

        Raises:
            UserError: as of one training; the others go to their end.
            SystemExit: status 143, after checkpoints of all, when SIGTERM or Ctrl-C asked to stop.
        """
        live, failures = [], Failures(len(blocks))
        for block in blocks:
            paths = StorePaths.of(self.scratch, block.id, "train")
            job = self._job(block, open_reader(paths.manifest, self.config, self.device))
            if self._is_made(job):
                _LOG.info("%s has its SAE already.", block.id)
            # Rows across the year need the year in memory, wherever its snapshots come from.
            elif paths.absent.is_file() and self.config.sae.shuffle == "snapshots":
                live.append(job)
            else:
                with job.locked(), failures.kept(block.id):
                    self._alone(job)
        if live:
            with contextlib.ExitStack() as stack:
                for job in live:
                    stack.enter_context(job.locked())
                self._live([job.block for job in live], failures)
        failures.end()

    def _is_made(self, job: TrainingJob) -> bool:
        claim = sae_claim(self.config, job.block.id, job.reader.paths.manifest)
        return waiting_sae(self.results, job.block.id).is_made(claim)

    def _alone(self, job: TrainingJob) -> None:
        waiting = waiting_sae(self.results, job.block.id)
        make_sae(job, waiting.results)
        leave_sae(waiting)
        job.checkpoint.remove()

    def _job(self, block: Block, reader: StoreReader) -> TrainingJob:
        return TrainingJob(self.config, block, reader, training_folder(self.scratch, block.id), self.device)

    def _prepared_at_once(
        self, blocks: list[Block], readers: list[StoreReader], forwards: "Forwards"
    ) -> list[tuple[TrainingJob, Trainer, Saver]]:
        """Trainings of all blocks in memory, beside Aurora; refused where they would not round as each would alone."""
        # What a forward takes for a moment is held while trainers are made, so that they leave it free.
        held = None
        if self.device.type == "cuda":
            held = torch.empty(forwards.peak_bytes(readers[0].manifest["snapshots"][0]), dtype=torch.uint8, device=self.device)
        jobs = [self._job(block, reader) for block, reader in zip(blocks, readers, strict=True)]
        found = [(job, job.trainer(), job.saver()) for job in jobs]
        del held
        for _, trainer, _ in found:
            rows, usual = trainer.objective.rows, usual_rows(trainer.batch_rows, self.device)
            # One that goes on keeps the rows that it was begun with.
            if trainer.t == 0 and rows < usual:
                raise UserError(
                    f"memory of {self.device}", f"room for {len(blocks)} trainings at once in micro-batches of {usual} rows",
                    f"room for {rows} rows of {trainer.block.id}", "name fewer `blocks`, or train one block at a time",
                )
        return found

    def _live(self, blocks: list[Block], failures: Failures) -> None:
        """All of them step by step: whoever is behind catches up first."""
        # Imported only where Aurora must run: it costs 6 s and 1 GB.
        from aurorascope.activations.live import Forwards, LiveReader

        forwards = Forwards(self.config, self.scratch, blocks, self.device)
        manifests = [StorePaths.of(self.scratch, block.id, "train").manifest for block in blocks]
        readers = [LiveReader(path, self.config, self.device, forwards) for path in manifests]
        trainings = self._prepared_at_once(blocks, readers, forwards)
        feeds = [StreamFeed(reader, self.device) for reader in readers]
        made_with, (_, first_trainer, _) = provenance(self.device, self.config.compute), trainings[0]
        first, n_steps = min(trainer.t for _, trainer, _ in trainings), first_trainer.n_steps
        progress = Progress(f"Training {len(blocks)} SAEs", n_steps - first, "step")
        with torch.inference_mode(), engine.stopping() as stop:
            for step in range(first, n_steps):
                stepped = [(*each[1:], feed) for each, feed in zip(trainings, feeds, strict=True) if each[1].t == step]
                epoch, place = divmod(step, first_trainer.steps_per_epoch)
                order = epoch_order(self.config.sae.seed, epoch, readers[0].n_snapshots)[place : place + 1]
                for trainer, _, feed in stepped:
                    trainer.step(next(feed.snapshots(order)))
                progress.step()
                engine.after_step([trainer for trainer, _, _ in stepped], [saver for _, saver, _ in stepped], stop)
        progress.close()
        _LOG.info("%d steps of %d SAEs took %d forwards of Aurora.", n_steps - first, len(blocks), forwards.n)
        for training in trainings:
            with failures.kept(training[0].block.id):
                self._ended(*training, made_with)

    def _ended(self, job: TrainingJob, trainer: Trainer, saver: Saver, made_with: dict[str, Any]) -> None:
        # Before anything else of it can go wrong.
        saver.save(trainer)
        waiting = waiting_sae(self.results, job.block.id)
        write_sae(job, engine.conclude(trainer), {**made_with, "device": trainer.trained_on}, waiting.results)
        leave_sae(waiting)
        job.checkpoint.remove()
