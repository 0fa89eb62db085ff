"""SAEs of other seeds, trained as the released one was, and which of their features are alive.

Nothing of them is kept: a finished training stays as a checkpoint until all are compared, so that a killed job goes on where
it was, and goes then.
"""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from aurorascope.activations.feed import Feed
from aurorascope.blocks import Block
from aurorascope.config.model import Config
from aurorascope.features.forward import count_on, encode
from aurorascope.measures.held_out.baselines import row_chunks
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.training.finished import training_folder
from aurorascope.training.job import TrainingJob

_LOG = logging.getLogger(__name__)


def seeds_of(config: Config) -> list[int]:
    """The seeds that are compared: the configured one, which is released, and those after it."""
    first = config.sae.seed
    return list(range(first, first + config.evaluation.stability.seeds))


@contextlib.contextmanager
def trained(config: Config, block: Block, feed: Feed, scratch: Path) -> Iterator[list[dict[str, torch.Tensor]]]:
    """Weights of the seeds after the configured one; their checkpoints go when this context ends without an error.

    Raises:
        UserError: as of any training, or another process trains one of them.
        SystemExit: status 143, after a checkpoint, when SIGTERM or Ctrl-C asked to stop.
    """
    with contextlib.ExitStack() as locks:
        jobs = []
        for seed in seeds_of(config)[1:]:
            seeded = dataclasses.replace(config, sae=dataclasses.replace(config.sae, seed=seed))
            folder = training_folder(scratch, f"{block.id}-seed{seed}")
            jobs.append(TrainingJob(seeded, block, feed.reader, folder, feed.device))
            locks.enter_context(jobs[-1].locked())
        yield [_weights(job, feed) for job in jobs]
        for job in jobs:
            job.checkpoint.remove()


def _weights(job: TrainingJob, feed: Feed) -> dict[str, torch.Tensor]:
    _LOG.info("%s: seed %d.", job.block.id, job.config.sae.seed)
    return job.run(feed, keep=True)[0].weights


def alive(saes: list[AuroraSAE], feed: Feed) -> list[np.ndarray]:
    """Of each SAE, which features are on for some token of the feed and have a direction: (h,) bool."""
    found = [np.zeros(sae.d_hidden, bool) for sae in saes]
    with torch.inference_mode():
        for x_nd in feed.snapshots(np.arange(feed.n_snapshots)):
            for rows in row_chunks(len(x_nd), saes[0].d_hidden):
                for sae, alive_h in zip(saes, found, strict=True):
                    alive_h |= count_on(encode(sae, x_nd[rows])) > 0
    with_direction = [(sae.W_dec.detach() != 0).any(dim=1).cpu().numpy() for sae in saes]
    return [a & b for a, b in zip(found, with_direction, strict=True)]
