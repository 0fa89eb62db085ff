"""The training log: rows of numbers kept on the device until the end, since reading one waits for everything before it."""

import numpy as np
import pandas as pd
import torch

_LOGGED_STEPS = 200
_COLUMNS = ("mse", "sparsity", "aux", "sparsity_weight", "l0", "frac_dead", "grad_norm")


class Log:
    """At most 200 steps of one training, the first and the last among them.

    Args:
        n_steps: optimiser steps in all.
        steps_per_epoch: of them in an epoch.
        device: where the numbers are kept.

    Attributes:
        values: (logged steps, columns) float32, filled so far.
    """

    def __init__(self, n_steps: int, steps_per_epoch: int, device: torch.device) -> None:
        self.steps = np.unique(np.linspace(1, n_steps, min(n_steps, _LOGGED_STEPS)).round().astype(int))
        self._wanted = {int(step): row for row, step in enumerate(self.steps)}
        self._per_epoch = steps_per_epoch
        self.values = torch.zeros(len(self.steps), len(_COLUMNS), device=device)

    def wants(self, step: int) -> bool:
        """Whether this step (from 1) is one of the logged."""
        return step in self._wanted

    def add(self, step: int, values: list[torch.Tensor]) -> None:
        """Note one step's scalars, in the order of the columns."""
        self.values[self._wanted[step]] = torch.stack([value.float() for value in values])

    def table(self, aux_weight: float) -> pd.DataFrame:
        """The log as a table: step, epoch, loss and its terms, L0, share of dead latents, norm of the gradient."""
        frame = pd.DataFrame(self.values.cpu().numpy(), columns=list(_COLUMNS))
        frame.insert(0, "step", self.steps)
        frame.insert(1, "epoch", (self.steps - 1) // self._per_epoch)
        loss = frame["mse"] + frame["sparsity_weight"] * frame["sparsity"] + np.float32(aux_weight) * frame["aux"]
        frame.insert(2, "loss", loss)
        return frame
