"""What circuits need of a block's position means, and how sizes of features are read."""

from collections.abc import Sequence

import numpy as np
import torch

from aurorascope.attribution.entries import ROWS, Coding
from aurorascope.attribution.usual import Usual
from aurorascope.features.forward import Features
from aurorascope.sae.active import Active
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.feature_ids import FeatureId


def tiles(n: int) -> list[slice]:
    """Tokens that are encoded at once."""
    return [slice(first, min(first + ROWS, n)) for first in range(0, n, ROWS)]


def usual_sizes(usual: Usual, sae: AuroraSAE, ids: Sequence[FeatureId]) -> np.ndarray:
    """Position means of some features' sizes, (n_tokens, features) float32."""
    coding = Coding.of(sae)
    codes = np.array([2 * feature + (sign < 0) if coding.signed else feature for feature, sign in ids], np.int64)
    found = [usual.entries(at.start, at.stop).of(codes).astype(np.float32) for at in tiles(usual.n_tokens)]
    return np.concatenate(found)


def usual_written(usual: Usual, sae: AuroraSAE) -> torch.Tensor:
    """Position mean of what all features write together, h W_dec, (n_tokens, d) float32 in the computer's memory."""
    coding, W_hd, found = Coding.of(sae), sae.W_dec.detach().cpu(), []
    for at in tiles(usual.n_tokens):
        entries = usual.entries(at.start, at.stop)
        sign = coding.sign(entries.feature).astype(np.float32)
        # A latent whose both signs are on at some dates stands twice, which a sum takes as it is.
        active = Active(torch.from_numpy(entries.value * sign), coding.latent(entries.feature).astype(np.int32), entries.ends, coding.n_latents)
        found.append(active.times(W_hd))
    return torch.cat(found)


def written(features: Features, W_hd: torch.Tensor) -> torch.Tensor:
    """What all features write together, h W, (n_tokens, d) float32, without the decoder's bias."""
    return features.times(W_hd) if isinstance(features, Active) else features @ W_hd


def sizes_of(features: Features, ids: Sequence[FeatureId]) -> np.ndarray:
    """Sizes of some features at each token, max(sign * h, 0), (n_tokens, features) float32, in the order asked for."""
    if not isinstance(features, Active):
        latents, sign_f = [feature for feature, _ in ids], np.array([sign for _, sign in ids], np.float32)
        return (features[:, latents].cpu().numpy() * sign_f).clip(min=0)
    found_nf = np.zeros((len(features.ends) - 1, len(ids)), np.float32)
    place_sh = np.full((2, features.h), -1, np.int64)
    for place, (feature, sign) in enumerate(ids):
        place_sh[int(sign < 0), feature] = place
    values, rows = features.values.numpy(), features.rows()
    place = place_sh[(values < 0).astype(np.int64), features.columns]
    here = place >= 0
    found_nf[rows[here], place[here]] = np.abs(values[here])
    return found_nf
