"""The training loop: batches in their published order, checkpoints on the way, and an orderly end when asked to stop."""

import contextlib
import logging
import signal
import time
from collections.abc import Iterator
from types import FrameType

import numpy as np
import torch

from aurorascope.activations.feed import Feed, epoch_order, snapshot_order
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import Block, Stage
from aurorascope.config.model import Sae
from aurorascope.progress import Progress
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.training.centroids import find_centroids
from aurorascope.training.checkpoint import Checkpoint
from aurorascope.training.trainer import Data, Trained, Trainer
from aurorascope.training.weights import Labelled

_LOG = logging.getLogger(__name__)
SIGTERM_STATUS = 143
# Epochs shorter than this leave no checkpoint each: losing them costs less than writing them all.
_LEAST_MINUTES = 1 / 3
_COVARIANCE_SNAPSHOTS = 8


class Stop:
    """Whether somebody asked this process to stop: by SIGTERM (a time limit, `scancel`, `kill`) or SIGINT (Ctrl-C).

    Attributes:
        is_asked: whether a signal came.
    """

    def __init__(self) -> None:
        self.is_asked = self._is_interrupted = False

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Note it; the loop looks after each step.

        Raises:
            KeyboardInterrupt: it is the second Ctrl-C, of somebody who will not wait.
        """
        if number == signal.SIGINT:
            if self._is_interrupted:
                raise KeyboardInterrupt
            self._is_interrupted = True
        self.is_asked = True


@contextlib.contextmanager
def stopping() -> Iterator[Stop]:
    """Within this block, SIGTERM and the first SIGINT are noted instead of ending the process."""
    stop, numbers = Stop(), [signal.SIGTERM]
    # What runs in the background of a shell's script ignores Ctrl-C, which is meant for others.
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        numbers.append(signal.SIGINT)
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Saver:
    """Decides when a checkpoint is due.

    Args:
        checkpoint: where it goes; None for nowhere.
        minutes: between two of them.
    """

    def __init__(self, checkpoint: Checkpoint | None, minutes: float) -> None:
        self._checkpoint, self._minutes = checkpoint, minutes
        self._last = time.monotonic()

    def is_due(self, is_epoch_end: bool) -> bool:
        """Whether it is time, after a step."""
        if self._checkpoint is None:
            return False
        minutes = (time.monotonic() - self._last) / 60
        return minutes >= (min(self._minutes, _LEAST_MINUTES) if is_epoch_end else self._minutes)

    def save(self, trainer: Trainer) -> None:
        """Write one, unless training has diverged."""
        if self._checkpoint is not None:
            trainer.check_finite()
            self._checkpoint.save(trainer.state(), trainer.t, trainer.notes())
        self._last = time.monotonic()


def describe(
    reader: StoreReader, block: Block | Stage, config: Sae, area_n: np.ndarray | None = None, is_new: bool = True,
    labelled: Labelled | None = None,
) -> Data:
    """What a training knows of its activations: moments from the manifest's files, and no look at the values unless the
    initial weights of a new training need their covariance or centroids.
    """
    found = reader.moments()
    n = float(found["n"][0])
    covariance = _covariance(reader, found["mean"]) if is_new and config.init == "active_subspace" else None
    centroids = None
    if is_new and ARCHITECTURES[config.architecture].anchored:
        centroids = find_centroids(reader, found["mean"], reader.d_model * config.expansion, block.depth_index)
    return Data(
        reader.d_model, reader.n_tokens, reader.n_snapshots, found["mean"], float(found["m2"].sum() / n / reader.d_model),
        area_n if config.area_weights else None, labelled, covariance, centroids, reader.n_blocks,
    )


def _covariance(reader: StoreReader, mean_d: np.ndarray) -> np.ndarray:
    """(d, d) covariance about the training mean over a few snapshots, evenly spread."""
    places = np.unique(np.linspace(0, reader.n_snapshots - 1, _COVARIANCE_SNAPSHOTS).round().astype(int))
    total_dd = np.zeros((reader.d_model, reader.d_model))
    for place in places.tolist():
        values_nd = reader.read([place])[0] - mean_d.astype(np.float32)
        total_dd += values_nd.T @ values_nd
    return total_dd / (len(places) * reader.n_tokens)


def batches(feed: Feed, trainer: Trainer) -> Iterator[tuple[torch.Tensor, torch.Tensor | int]]:
    """What is left of the trainer's present epoch: rows, and which they are, as `TokenWeights.of` takes it."""
    data, epoch, done = trainer.data, trainer.t // trainer.steps_per_epoch, trainer.t % trainer.steps_per_epoch
    if trainer.config.shuffle == "snapshots":
        order = snapshot_order(trainer.config.seed, epoch, data.n_snapshots, data.n_blocks)[done:]
        yield from zip(feed.snapshots(order), order.tolist(), strict=True)
        return
    order = epoch_order(trainer.config.seed, epoch, data.n_snapshots * data.n_tokens)[done * trainer.batch_rows :]
    starts = range(0, len(order), trainer.batch_rows)
    for start, x_nd in zip(starts, feed.rows(order, trainer.batch_rows), strict=True):
        yield x_nd, torch.from_numpy(order[start : start + trainer.batch_rows])


def prepare(
    reader: StoreReader, block: Block | Stage, config: Sae, device: torch.device, checkpoint: Checkpoint | None = None,
    area_n: np.ndarray | None = None, labelled: Labelled | None = None,
) -> Trainer:
    """The trainer of one SAE, where its checkpoint left it.

    Args:
        reader: the block's training activations.
        block: the block, or the stage of the reader's blocks.
        config: the SAE's configuration.
        device: where it is trained.
        checkpoint: where to resume from; None for nowhere.
        area_n: (n_tokens,) area of each token's cell, 1 on average; used with `area_weights`.
        labelled: tokens under a label that are weighted; None for none.

    Raises:
        UserError: a target is out of reach, there is too little memory, or the disk cannot be read or written.
    """
    found = None if checkpoint is None else checkpoint.load()
    data = describe(reader, block, config, area_n, found is None, labelled)
    if found is None:
        return Trainer(block, config, data, device)
    # Other micro-batches, or another kind of device, would round otherwise.
    trainer = Trainer(block, config, data, device, int(found.notes["rows"]))
    trainer.load(found.tensors, found.step)
    _LOG.info("%s: going on after step %d of %d.", block.id, trainer.t, trainer.n_steps)
    if trainer.is_done:
        # What is left is exact on any device.
        trainer.trained_on = found.notes.get("trained_on", trainer.trained_on)
    elif found.notes["device"] != device.type:
        _LOG.warning(
            "%s was begun on %s and goes on here on %s: last bits are neither's alone.", block.id,
            found.notes["device"], device.type,
        )
    return trainer


def run(trainer: Trainer, feed: Feed, saver: Saver) -> dict[str, int]:
    """All steps that are left, from one feed.

    Returns:
        `steps` of this run and `rows_per_s`, for whoever notes what a result was made with.

    Raises:
        UserError: training diverged, told from a checkpoint that is due.
        SystemExit: status 143, after a checkpoint, when SIGTERM or Ctrl-C asked to stop.
    """
    started, first = time.monotonic(), trainer.t
    progress = Progress(f"Training {trainer.block.id}", trainer.n_steps - trainer.t, "step")
    with torch.inference_mode(), stopping() as stop:
        while not trainer.is_done:
            for x_nd, rows in batches(feed, trainer):
                trainer.step(x_nd, rows)
                progress.step()
                # The feed uses a batch's memory again once nobody refers to it.
                del x_nd
                after_step([trainer], [saver], stop)
    progress.close()
    seconds = max(time.monotonic() - started, 1e-9)
    return {"steps": trainer.t - first, "rows_per_s": round((trainer.t - first) * trainer.batch_rows / seconds)}


def after_step(trainers: list[Trainer], savers: list[Saver], stop: Stop) -> None:
    """Save what is due, and everything if the process is asked to stop.

    Raises:
        SystemExit: status 143, when it is.
    """
    for trainer, saver in zip(trainers, savers, strict=True):
        if stop.is_asked or saver.is_due(trainer.t % trainer.steps_per_epoch == 0):
            saver.save(trainer)
    if stop.is_asked:
        steps = ", ".join(f"{trainer.block.id} at step {trainer.t} of {trainer.n_steps}" for trainer in trainers)
        _LOG.info("Asked to stop: saved %s. The same command goes on from there.", steps)
        raise SystemExit(SIGTERM_STATUS)


def conclude(trainer: Trainer) -> Trained:
    """The result of a finished training; says how it ended, and warns where that is not what was aimed at.

    Raises:
        UserError: training diverged, or no feature fires.
    """
    trained = trainer.result()
    last, config = trained.log.iloc[-1], trainer.config
    n_latents = trainer.data.d_model * config.expansion
    _LOG.info(
        "%s: %d steps; at the end MSE %.4g, L0 %.1f of %d latents, %.1f %% dead for %d snapshots.",
        trainer.block.id, trained.n_steps, last["mse"], last["l0"], n_latents, 100 * last["frac_dead"],
        config.dead_snapshots,
    )
    if trained.mutual_mmcs is not None:
        _LOG.info("%s: mean largest cosine with directions of the SAE beside it %.3f.", trainer.block.id, trained.mutual_mmcs)
    if config.target_l0 is not None and not 0.8 < last["l0"] / config.target_l0 < 1.25:
        architecture = ARCHITECTURES[config.architecture]
        advice = f", or {'raise' if architecture.weighs_target else 'start nearer with'} sae.l1_coeff (now {config.l1_coeff:g})"
        _LOG.warning(
            "%s: the target of %g features on per token was not reached; %.1f are. Train longer (sae.epochs)%s.",
            trainer.block.id, config.target_l0, last["l0"], advice if "l1_coeff" in architecture.loss else "",
        )
    return trained
