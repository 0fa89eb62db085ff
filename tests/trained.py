"""One SAE trained from a feed, for tests that have no project around it (`training.job` has one)."""

import numpy as np
from aurorascope.activations.feed import Feed
from aurorascope.blocks import Block
from aurorascope.config.model import Sae
from aurorascope.training.checkpoint import Checkpoint
from aurorascope.training.engine import Saver, conclude, prepare, run
from aurorascope.training.trainer import Trained


def train(
    feed: Feed, block: Block, config: Sae, checkpoint: Checkpoint | None = None, area_n: np.ndarray | None = None
) -> Trained:
    """Every step that the checkpoint, if any, leaves to do."""
    trainer = prepare(feed.reader, block, config, feed.device, checkpoint, area_n)
    run(trainer, feed, Saver(checkpoint, config.checkpoint_minutes))
    return conclude(trainer)
