"""The training loop: snapshots in, weights and a log out, no wait for the device inside."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from aurorascope.activations.feed import ResidentFeed, StreamFeed, epoch_order
from aurorascope.blocks import Block
from aurorascope.config.model import Sae
from aurorascope.errors import UserError
from aurorascope.progress import Progress
from aurorascope.sae.relu import Gradient, Weights, initial_weights
from aurorascope.training.optimiser import Adam

_LOG = logging.getLogger(__name__)
_LOGGED_STEPS = 200
_MICRO_BATCH = {"cpu": 4096, "cuda": 32768}
_COLUMNS = ("mse", "l1", "l0", "frac_dead", "grad_norm")


@dataclass(frozen=True)
class Trained:
    """What training leaves.

    Attributes:
        weights: raw-space float32 weights on the CPU, by name.
        log: columns step, epoch, mse, l1, loss, l0, frac_dead, grad_norm.
        n_steps: optimiser steps.
        n_tokens_seen: tokens over all steps.
    """

    weights: dict[str, torch.Tensor]
    log: pd.DataFrame
    n_steps: int
    n_tokens_seen: int


def _batches(feed: ResidentFeed | StreamFeed, config: Sae, epoch: int) -> Iterator[torch.Tensor]:
    n, n_tokens = feed.n_snapshots, feed.reader.n_tokens
    if config.shuffle == "rows":
        return feed.rows(epoch_order(config.seed, epoch, n * n_tokens), n_tokens)
    return feed.snapshots(epoch_order(config.seed, epoch, n))


class _Log:
    """Rows of numbers kept on the device until the end: reading one would wait for everything before it."""

    def __init__(self, n_steps: int, n_latents: int, n_snapshots: int, device: torch.device) -> None:
        self.steps = np.unique(np.linspace(1, n_steps, min(n_steps, _LOGGED_STEPS)).round().astype(int))
        self._wanted = {int(step): row for row, step in enumerate(self.steps)}
        self._values = torch.zeros(len(self.steps), len(_COLUMNS), device=device)
        self._last_fired_h = torch.zeros(n_latents, device=device)
        self.n_snapshots = n_snapshots

    def add(self, step: int, terms: tuple[torch.Tensor, ...], gradient: Gradient) -> None:
        """Note step number `step` (from 1): its loss terms, and which latents fired."""
        self._last_fired_h.masked_fill_(gradient.fired_h > 0, step)
        row = self._wanted.get(step)
        if row is None:
            return
        dead = (step - self._last_fired_h >= self.n_snapshots).float().mean()
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradient.grads.tensors())))
        self._values[row] = torch.stack([*terms, dead, norm])

    def table(self, config: Sae) -> pd.DataFrame:
        """The log as a table."""
        frame = pd.DataFrame(self._values.cpu().numpy(), columns=list(_COLUMNS))
        frame.insert(0, "step", self.steps)
        frame.insert(1, "epoch", (self.steps - 1) // self.n_snapshots)
        frame.insert(4, "loss", frame["mse"] + np.float32(config.l1_coeff) * frame["l1"])
        return frame


def train(feed: ResidentFeed | StreamFeed, block: Block, config: Sae) -> Trained:
    """Train one SAE by the card's recipe: one Adam step a snapshot, decoder rows at unit norm after each.

    Args:
        feed: the block's training activations.
        block: the block, whose place in forward order seeds the initial weights.
        config: the SAE's configuration.

    Returns:
        Weights, log and counts. A function of the activations, the block and the configuration alone.

    Raises:
        UserError: training diverged (a weight is not finite).
    """
    d, device = feed.reader.d_model, feed.device
    weights = initial_weights(d, d * config.expansion, config.seed, block.depth_index, device)
    gradient = Gradient(weights, config.l1_coeff, min(feed.reader.n_tokens, _MICRO_BATCH[device.type]))
    optimiser = Adam(weights, config.lr)
    n_steps = config.epochs * feed.n_snapshots
    log = _Log(n_steps, d * config.expansion, feed.n_snapshots, device)
    progress = Progress(f"Training {block.id}", n_steps, "step")
    with torch.inference_mode():
        for epoch in range(config.epochs):
            for x_nd in _batches(feed, config, epoch):
                terms = gradient.compute(x_nd)
                optimiser.step(gradient.grads)
                log.add(optimiser.t, terms, gradient)
                progress.step()
    progress.close()
    tensors = {name: t.cpu().contiguous() for name, t in zip(Weights.__annotations__, weights.tensors(), strict=True)}
    if not all(bool(torch.isfinite(t).all()) for t in tensors.values()):
        raise UserError(
            f"training of {block.id}", "finite weights", "weights that are not finite", "lower sae.lr in your config"
        )
    table = log.table(config)
    last = table.iloc[-1]
    _LOG.info(
        "%s: %d steps; at the end MSE %.4g, L0 %.1f of %d latents, %.1f %% not fired in the last epoch.",
        block.id, n_steps, last["mse"], last["l0"], d * config.expansion, 100 * last["frac_dead"],
    )
    return Trained(tensors, table, n_steps, n_steps * feed.reader.n_tokens)
