"""What a block usually is at each of its tokens: means over quiet dates of its output, and of its features."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aurorascope.features.forward import Features
from aurorascope.sae.active import Active
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.feature_ids import FeatureId

Codes = Callable[[], Iterable[Features]]
"""Features of the block on each quiet date, in the order of dates, as often as it is called."""


@dataclass(frozen=True, eq=False)
class Usual:
    """Position means of one block. With n tokens of width d.

    Attributes:
        x_nd: of its output, float32.
        written_nd: of what its features write together, h W_dec, float32.
        codes: its features on quiet dates.
    """

    x_nd: torch.Tensor
    written_nd: torch.Tensor
    codes: Codes

    @classmethod
    def of(cls, x_nd: torch.Tensor, codes: Codes, sae: AuroraSAE) -> "Usual":
        """From the mean of the output and the features on each quiet date."""
        total_nd, n_dates = torch.zeros(x_nd.shape, dtype=torch.float64), 0
        with torch.inference_mode():
            for features in codes():
                total_nd += written(features, sae.W_dec).double().cpu()
                n_dates += 1
        return cls(x_nd, (total_nd / n_dates).float(), codes)

    def sizes(self, ids: Sequence[FeatureId]) -> np.ndarray:
        """Position means of some features' sizes, (n_tokens, features) float32."""
        total_nf, n_dates = np.zeros((len(self.x_nd), len(ids))), 0
        for features in self.codes():
            total_nf += sizes_of(features, ids)
            n_dates += 1
        return (total_nf / n_dates).astype(np.float32)


def written(features: Features, W_hd: torch.Tensor) -> torch.Tensor:
    """What all features write together, h W, (n_tokens, d) float32, without the decoder's bias."""
    return features.times(W_hd) if isinstance(features, Active) else features @ W_hd


def sizes_of(features: Features, ids: Sequence[FeatureId]) -> np.ndarray:
    """Sizes of some features at each token, max(sign * h, 0), (n_tokens, features) float32, in the order asked for."""
    if not isinstance(features, Active):
        latents, sign_f = [feature for feature, _ in ids], np.array([sign for _, sign in ids], np.float32)
        return (features[:, latents].cpu().numpy() * sign_f).clip(min=0)
    found_nf = np.zeros((len(features.ends) - 1, len(ids)), np.float32)
    place_h = np.full((2, features.h), -1, np.int64)
    for place, (feature, sign) in enumerate(ids):
        place_h[int(sign < 0), feature] = place
    values, rows = features.values.numpy(), features.rows()
    place = place_h[(values < 0).astype(np.int64), features.columns]
    here = place >= 0
    found_nf[rows[here], place[here]] = np.abs(values[here])
    return found_nf
