"""A block of a circuit: its autoencoder, the features that are asked for, and what is usual there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aurorascope.attribution.usual import Usual
from aurorascope.blocks import Block
from aurorascope.circuits.usual import usual_sizes, usual_written
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.feature_ids import FeatureId


@dataclass(frozen=True, eq=False)
class Site:
    """A block of a circuit. With n tokens of width d and f features.

    Attributes:
        block: the block.
        sae: its autoencoder, on the model's device.
        ids: number and sign of each feature.
        usual_nd: position mean of the block's output, float32 in the computer's memory.
        written_nd: that of what its features write together, h W_dec, the same.
        usual_nf: those of the features' sizes, float32.
    """

    block: Block
    sae: AuroraSAE
    ids: tuple[FeatureId, ...]
    usual_nd: torch.Tensor
    written_nd: torch.Tensor
    usual_nf: np.ndarray

    @classmethod
    def of(cls, block: Block, sae: AuroraSAE, usual: Usual, ids: tuple[FeatureId, ...]) -> "Site":
        """From a block's position means."""
        return cls(block, sae, ids, usual.output(), usual_written(usual, sae), usual_sizes(usual, sae, ids))

    def places(self, ids: Sequence[FeatureId]) -> list[int]:
        """Where some of its features stand."""
        return [self.ids.index(each) for each in ids]

    def directions(self, ids: Sequence[FeatureId]) -> torch.Tensor:
        """What one unit of each feature's size adds to the block's output, (features, d) float32."""
        return self.sae.W_dec.detach()[[feature for feature, _ in ids]] * self._signs(ids)[:, None]

    def readings(self, ids: Sequence[FeatureId]) -> torch.Tensor:
        """What one unit of the block's output adds to each feature's size where the feature is on, (features, d) float32."""
        return self.sae.W_enc.detach()[:, [feature for feature, _ in ids]].T * self._signs(ids)[:, None]

    def _signs(self, ids: Sequence[FeatureId]) -> torch.Tensor:
        return torch.tensor([float(sign) for _, sign in ids], device=self.sae.b_dec.device)
