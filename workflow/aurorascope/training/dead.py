"""Which latents are dead: those that have not fired for as many tokens as some number of snapshots has."""

import math

import torch


def window_steps(dead_snapshots: int, n_tokens: int, batch_rows: int) -> int:
    """Steps after which a latent that did not fire is dead: the same share of a year at every width."""
    return math.ceil(dead_snapshots * n_tokens / batch_rows)


class Dead:
    """Counts, on the device, when each latent fired last.

    Args:
        n_latents: latents.
        window: steps, from `window_steps`.
        device: where counts are.

    Attributes:
        last_fired_h: (h,) float32, step of the last firing; 0 for never.
    """

    def __init__(self, n_latents: int, window: int, device: torch.device) -> None:
        self.window = window
        self.last_fired_h = torch.zeros(n_latents, device=device)

    def see(self, step: int, on_h: torch.Tensor) -> None:
        """Note what fired at step number `step` (from 1)."""
        self.last_fired_h.masked_fill_(on_h > 0, step)

    def mask(self, step: int) -> torch.Tensor:
        """(h,) bool, True for the dead."""
        return step - self.last_fired_h >= self.window

    def indices(self, step: int) -> torch.Tensor | None:
        """Places of the dead, or None where there are none; waits for the device."""
        places = self.mask(step).nonzero().squeeze(1)
        return places if len(places) else None
