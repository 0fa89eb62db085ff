"""Features of tokens that are on, one entry each.

A signed latent is two features: 2 j for the values above zero of latent j, 2 j + 1 for those below.
"""

from dataclasses import dataclass

import numpy as np
import torch

from aurorascope.atlas.entries import active_entries
from aurorascope.features.forward import encode
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE

ROWS = 2048
"""Tokens that are encoded at once."""


@dataclass(frozen=True)
class Entries:
    """Entries of neighbouring tokens, token by token.

    Attributes:
        ends: (tokens + 1,) int64, where each token's entries begin, and the last one's end.
        feature: of each entry, int32, ascending within a token.
        value: of each, float32, above zero.
    """

    ends: np.ndarray
    feature: np.ndarray
    value: np.ndarray

    def tokens(self) -> np.ndarray:
        """Token of each entry, int64."""
        return np.repeat(np.arange(len(self.ends) - 1), np.diff(self.ends))

    def of(self, features: np.ndarray) -> np.ndarray:
        """Some features at all tokens, (tokens, len(features)) float64, 0 where off.

        Args:
            features: each once.
        """
        found_nf = np.zeros((len(self.ends) - 1, len(features)))
        order = np.argsort(features, kind="stable")
        at = np.searchsorted(features[order], self.feature).clip(max=max(len(features) - 1, 0))
        here = np.flatnonzero(features[order][at] == self.feature) if len(features) else np.zeros(0, np.int64)
        found_nf[self.tokens()[here], order[at[here]]] = self.value[here]
        return found_nf


@dataclass(frozen=True)
class Coding:
    """How the features of an SAE are numbered.

    Attributes:
        n_latents: of the SAE.
        signed: whether each latent is two features.
    """

    n_latents: int
    signed: bool

    @classmethod
    def of(cls, sae: AuroraSAE) -> "Coding":
        """That of an SAE."""
        return cls(sae.d_hidden, RELEASED[sae.architecture].signed)

    @property
    def n(self) -> int:
        """Features."""
        return self.n_latents * (2 if self.signed else 1)

    def latent(self, feature: np.ndarray) -> np.ndarray:
        """Latent of each feature."""
        return feature >> 1 if self.signed else feature

    def sign(self, feature: np.ndarray) -> np.ndarray:
        """1, or -1 where a feature is its latent's values below zero; int64."""
        return 1 - 2 * (feature & 1) if self.signed else np.ones_like(feature)

    def rows(self, sae: AuroraSAE, feature: np.ndarray) -> torch.Tensor:
        """What one unit of each feature adds to the block's output, (features, d) float64."""
        sign_f = torch.from_numpy(self.sign(feature)).to(sae.W_dec.device, torch.float64)
        return sae.W_dec.detach()[torch.from_numpy(self.latent(feature)).to(sae.W_dec.device)].double() * sign_f[:, None]


def entries_of(sae: AuroraSAE, x_nd: torch.Tensor) -> Entries:
    """The entries of tokens, (n, d) float32 on the SAE's device, n at most `ROWS` or so."""
    with torch.inference_mode():
        count, feature, value = active_entries(encode(sae, x_nd), RELEASED[sae.architecture].signed)
    ends = np.concatenate([[0], np.cumsum(count, dtype=np.int64)])
    return Entries(ends, feature.astype(np.int32), value.astype(np.float32, copy=False))
