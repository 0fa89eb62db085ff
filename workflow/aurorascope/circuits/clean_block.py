"""One block on one date, as it is in the clean forecast, with what a circuit needs of some of its features."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aurorascope.blocks import Block
from aurorascope.circuits.usual import Usual, sizes_of, written
from aurorascope.features.forward import encode
from aurorascope.interventions.values import ROWS
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.feature_ids import FeatureId


def directions(sae: AuroraSAE, ids: Sequence[FeatureId]) -> torch.Tensor:
    """What one unit of each feature's size adds to the block's output, (features, d) float32."""
    return sae.W_dec.detach()[[feature for feature, _ in ids]] * _signs(sae, ids)[:, None]


def readings(sae: AuroraSAE, ids: Sequence[FeatureId]) -> torch.Tensor:
    """What one unit of the block's output adds to each feature's size where the feature is on, (features, d) float32."""
    return sae.W_enc.detach()[:, [feature for feature, _ in ids]].T * _signs(sae, ids)[:, None]


def _signs(sae: AuroraSAE, ids: Sequence[FeatureId]) -> torch.Tensor:
    return torch.tensor([float(sign) for _, sign in ids], device=sae.b_dec.device)


@dataclass(frozen=True, eq=False)
class CleanBlock:
    """One block on one date. With n tokens of width d and f features.

    Attributes:
        block: the block.
        sae: its autoencoder.
        ids: number and sign of each feature.
        x_nd: its output, float32.
        g_nd: gradient of the outcome there, float32.
        size_nf: the features' sizes, none below 0, float32.
        change_nf: what is added to them where they become their position means, float64.
        error_nd: what is added to the output where the autoencoder's error becomes its position mean, float32.
    """

    block: Block
    sae: AuroraSAE
    ids: tuple[FeatureId, ...]
    x_nd: torch.Tensor
    g_nd: torch.Tensor
    size_nf: np.ndarray
    change_nf: np.ndarray
    error_nd: torch.Tensor

    @classmethod
    def of(
        cls, block: Block, sae: AuroraSAE, ids: tuple[FeatureId, ...], x_nd: torch.Tensor, g_nd: torch.Tensor, usual: Usual, usual_nf: np.ndarray
    ) -> "CleanBlock":
        """From the block's output, the gradient there, and what is usual: `usual_nf` are position means of the features' sizes."""
        sizes, errors = [], []
        with torch.inference_mode():
            for at in _tiles(len(x_nd)):
                features = encode(sae, x_nd[at])
                sizes.append(sizes_of(features, ids))
                errors.append((usual.x_nd[at].to(x_nd.device) - x_nd[at]) - (usual.written_nd[at].to(x_nd.device) - written(features, sae.W_dec)))
        size_nf = np.concatenate(sizes)
        # Not an inference tensor, which no later graph could hold.
        error_nd = torch.cat(errors).clone()
        return cls(block, sae, ids, x_nd, g_nd, size_nf, usual_nf.astype(np.float64) - size_nf, error_nd)

    def places(self, ids: Sequence[FeatureId]) -> list[int]:
        """Where some of its features stand."""
        return [self.ids.index(each) for each in ids]

    def pulls(self, ids: Sequence[FeatureId]) -> torch.Tensor:
        """W_dec[j] . g of some features at each token, (n_tokens, features) float32: what a unit more of each does to the outcome."""
        return torch.cat([g_td @ directions(self.sae, ids).T for g_td in self.g_nd.split(ROWS)])


def _tiles(n: int) -> list[slice]:
    """Tokens that are encoded at once."""
    return [slice(first, min(first + ROWS, n)) for first in range(0, n, ROWS)]
