"""In which blocks of a stage each feature of their SAE lives: what it writes in each, by the block's own spread."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from aurorascope.features.forward import Features, count_on
from aurorascope.sae.active import Active
from aurorascope.stage_saes.formulas import ALONE


def effective_blocks(share_bh: np.ndarray) -> np.ndarray:
    """exp(entropy of shares over blocks), (features,): 1 where one block has it all, the number of blocks where each has as much."""
    return np.exp(-(share_bh * np.log(np.where(share_bh > 0, share_bh, 1))).sum(axis=0))


class Lives:
    """Running sums over held-out tokens, block by block.

    Args:
        scale_b: what each block's activations are divided by.
        n_latents: d_hidden.
        d_model: channels.

    Attributes:
        fired_bh: tokens that each feature is on for, (blocks, d_hidden) int64.
        square_bh: sums of h^2, (blocks, d_hidden) float64.
        n_b: tokens, (blocks,) int64.
    """

    def __init__(self, scale_b: Sequence[float], n_latents: int, d_model: int) -> None:
        self._variance_b1 = d_model * np.square(np.asarray(scale_b, np.float64))[:, None]
        self.fired_bh = np.zeros((len(scale_b), n_latents), np.int64)
        self.square_bh = np.zeros((len(scale_b), n_latents))
        self.n_b = np.zeros(len(scale_b), np.int64)

    def add(self, place: int, features: Features, n: int) -> None:
        """Count `n` tokens of one block."""
        self.n_b[place] += n
        self.fired_bh[place] += count_on(features)
        if isinstance(features, Active):
            self.square_bh[place] += np.bincount(features.columns, np.square(features.values.numpy(), dtype=np.float64), features.h)
        else:
            self.square_bh[place] += features.double().square().sum(dim=0).cpu().numpy()

    def energy_bh(self) -> np.ndarray:
        """Mean of h^2 over a block's tokens, over the variance of the block's activations, summed over channels: (blocks, d_hidden)."""
        return self.square_bh / np.maximum(self.n_b, 1)[:, None] / self._variance_b1

    def share_bh(self) -> np.ndarray:
        """Of a feature's energy over all blocks the share that is each block's; NaN for one that never is on."""
        energy_bh = self.energy_bh()
        total_h = energy_bh.sum(axis=0)
        return np.divide(energy_bh, total_h, out=np.full_like(energy_bh, np.nan), where=total_h > 0)

    def summary(self) -> dict[str, float | None]:
        """The metrics of `formulas.LIVES`, null where no feature is on."""
        alive_h = self.fired_bh.sum(axis=0) > 0
        dead = float((~alive_h).mean())
        if not alive_h.any():
            return {"frac_dead_all": dead, "effective_blocks": None, "frac_alone": None, "frac_everywhere": None}
        largest_h = self.share_bh()[:, alive_h].max(axis=0)
        return {
            "frac_dead_all": dead,
            "effective_blocks": float(np.median(effective_blocks(self.share_bh()[:, alive_h]))),
            "frac_alone": float((largest_h >= ALONE).mean()),
            "frac_everywhere": float((self.fired_bh[:, alive_h] > 0).all(axis=0).mean()),
        }

    def homes(self) -> list[int]:
        """Features of which each block has the largest share, the first of equal ones."""
        alive_h = self.fired_bh.sum(axis=0) > 0
        home_h = np.nan_to_num(self.share_bh()).argmax(axis=0)[alive_h]
        return np.bincount(home_h, minlength=len(self.n_b)).tolist()

    def table(self, block_ids: Sequence[str]) -> pd.DataFrame:
        """A row a feature and block: feature, block, density (share of tokens that it is on for), energy, share."""
        n_blocks, n_latents = self.fired_bh.shape
        return pd.DataFrame(
            {
                "feature": np.repeat(np.arange(n_latents, dtype=np.int64), n_blocks),
                "block": list(block_ids) * n_latents,
                "density": (self.fired_bh / np.maximum(self.n_b, 1)[:, None]).T.reshape(-1),
                "energy": self.energy_bh().T.reshape(-1),
                "share": self.share_bh().T.reshape(-1),
            }
        )
