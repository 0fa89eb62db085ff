"""Many SAEs in one process, each bit for bit what it would be alone, left as finished checkpoints for their own jobs.

Where activations are on disk, blocks come one after the other: each byte is read once where a block's store fits in memory,
and no job pays for its own start. Where Aurora must compute them, all SAEs are in memory, and one forward a snapshot and
epoch serves them all.
"""

import contextlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from aurorascope.activations.feed import StreamFeed, epoch_order
from aurorascope.activations.opening import open_reader
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import Block
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import read_record
from aurorascope.progress import Progress
from aurorascope.training import engine
from aurorascope.training.engine import Saver
from aurorascope.training.export import SaeFiles
from aurorascope.training.finished import training_folder
from aurorascope.training.job import TrainingJob
from aurorascope.training.micro_batch import usual_rows
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
            UserError: as of one training; those that ended before keep their checkpoints.
            SystemExit: status 143, after checkpoints of all, when SIGTERM or Ctrl-C asked to stop.
        """
        live, failed = [], {}
        for block in blocks:
            paths = StorePaths.of(self.scratch, block.id, "train")
            job = self._job(block, open_reader(paths.manifest, self.config, self.device))
            if self._is_made(job):
                _LOG.info("%s has its SAE already.", block.id)
            # Rows across the year need the year in memory, wherever its snapshots come from.
            elif paths.absent.is_file() and self.config.sae.shuffle == "snapshots":
                live.append(job)
            else:
                with job.locked():
                    self._unless(failed, block, lambda job=job: job.run(keep=True))
        if live:
            with contextlib.ExitStack() as stack:
                for job in live:
                    stack.enter_context(job.locked())
                self._live([job.block for job in live], failed)
        if failed:
            first = next(iter(failed.values()))
            raise UserError(
                f"{first.where} (and in all {len(failed)} of {len(blocks)} blocks: {', '.join(failed)})", first.expected,
                first.found, first.fix,
            )

    @staticmethod
    def _unless(failed: dict[str, UserError], block: Block, work: Callable[[], object]) -> None:
        """Do it; an error of one block must not keep the others from their end."""
        try:
            work()
        except UserError as error:
            _LOG.error("%s", error.one_line())
            failed[block.id] = error

    def _is_made(self, job: TrainingJob) -> bool:
        path = SaeFiles(self.results, job.block.id).record
        if not path.is_file() or not path.with_suffix(".pt").is_file():
            return False
        try:
            record = read_record(path, "sae")
        except UserError:
            return False
        wanted = stage_digest(self.config, "train_sae"), job.reader.manifest["sha256"]
        return (record.get("train_config_sha256"), record.get("activations_manifest_sha256")) == wanted

    def _job(self, block: Block, reader: StoreReader) -> TrainingJob:
        return TrainingJob(self.config, block, reader, training_folder(self.scratch, block.id), self.device)

    def _prepared_at_once(
        self, blocks: list[Block], readers: list[StoreReader], forwards: "Forwards"
    ) -> list[tuple[Trainer, Saver]]:
        """Trainers of all blocks in memory, beside Aurora; refused where they would not round as each would alone."""
        # What a forward takes for a moment is held while trainers are made, so that they leave it free.
        held = None
        if self.device.type == "cuda":
            held = torch.empty(forwards.peak_bytes(readers[0].manifest["snapshots"][0]), dtype=torch.uint8, device=self.device)
        jobs = [self._job(block, reader) for block, reader in zip(blocks, readers, strict=True)]
        pairs = [(job.trainer(), job.saver()) for job in jobs]
        del held
        for trainer, _ in pairs:
            rows, usual = trainer.objective.rows, usual_rows(trainer.batch_rows, self.device)
            # One that goes on keeps the rows that it was begun with.
            if trainer.t == 0 and rows < usual:
                raise UserError(
                    f"memory of {self.device}", f"room for {len(blocks)} trainings at once in micro-batches of {usual} rows",
                    f"room for {rows} rows of {trainer.block.id}", "name fewer `blocks`, or train one block at a time",
                )
        return pairs

    def _live(self, blocks: list[Block], failed: dict[str, UserError]) -> None:
        """All of them step by step: whoever is behind catches up first."""
        # Imported only where Aurora must run: it costs 6 s and 1 GB.
        from aurorascope.activations.live import Forwards, LiveReader

        forwards = Forwards(self.config, self.scratch, blocks, self.device)
        manifests = [StorePaths.of(self.scratch, block.id, "train").manifest for block in blocks]
        readers = [LiveReader(path, self.config, self.device, forwards) for path in manifests]
        pairs = self._prepared_at_once(blocks, readers, forwards)
        feeds = [StreamFeed(reader, self.device) for reader in readers]
        first, n_steps = min(trainer.t for trainer, _ in pairs), pairs[0][0].n_steps
        progress = Progress(f"Training {len(blocks)} SAEs", n_steps - first, "step")
        with torch.inference_mode(), engine.stopping() as stop:
            for step in range(first, n_steps):
                stepped = [(*pair, feed) for pair, feed in zip(pairs, feeds, strict=True) if pair[0].t == step]
                epoch, place = divmod(step, pairs[0][0].steps_per_epoch)
                order = epoch_order(self.config.sae.seed, epoch, readers[0].n_snapshots)[place : place + 1]
                for trainer, _, feed in stepped:
                    trainer.step(next(feed.snapshots(order)))
                progress.step()
                engine.after_step([trainer for trainer, _, _ in stepped], [saver for _, saver, _ in stepped], stop)
        progress.close()
        _LOG.info("%d steps of %d SAEs took %d forwards of Aurora.", n_steps - first, len(blocks), forwards.n)
        for trainer, saver in pairs:
            self._unless(failed, trainer.block, lambda trainer=trainer, saver=saver: self._ended(trainer, saver))

    @staticmethod
    def _ended(trainer: Trainer, saver: Saver) -> None:
        saver.save(trainer)
        engine.conclude(trainer)
