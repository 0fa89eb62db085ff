"""From a block's output and the gradient there to effects of features, tile by tile: neither codes nor products are ever there whole.

With h the features, b their position mean, W the decoder's rows and g the gradient of y, the effect of feature j is
sum over tokens t of (b_tj - h_tj) (W_j . g_t): what y changes by, as far as it is linear, if the feature goes to its position mean. All of
them and the error node, what the SAE does not explain going to its own position mean, add up to sum over t of (x_bar - x)_t . g_t.
(Attribution patching with error nodes, Marks et al. 2024, arXiv:2403.19647, with position means as the baseline.)
"""

from dataclasses import dataclass

import numpy as np
import torch

from aurorascope.atlas.entries import active_entries
from aurorascope.attribution.entries import Coding, Entries
from aurorascope.attribution.usual import Usual
from aurorascope.features.forward import encode
from aurorascope.sae.active import Active
from aurorascope.sae.aurora_sae import AuroraSAE

# Products of a gradient and all decoder rows that are there at once, by kind of device: as many as a core's cache holds.
_PRODUCTS = {"cpu": 1 << 20, "cuda": 1 << 27}


@dataclass(frozen=True, eq=False)
class Projected:
    """One block on one date.

    Attributes:
        effect_f: of each feature, (features,) float64.
        total: effect of all features and the error node together.
        n_active_f: tokens that each feature is on at, int64.
        sum_f: sum over tokens of each feature, float64.
        n_tokens: tokens of the block.
    """

    effect_f: np.ndarray
    total: float
    n_active_f: np.ndarray
    sum_f: np.ndarray
    n_tokens: int


def project(sae: AuroraSAE, usual: Usual, x_nd: torch.Tensor, g_nd: torch.Tensor) -> Projected:
    """Effects of a block's features.

    Args:
        sae: the block's.
        usual: what the block usually is.
        x_nd: its output, (n_tokens, d) float32 on the SAE's device.
        g_nd: gradient there, or a mean of gradients on the way to x_bar, the same form.

    Raises:
        ValueError: the usual output is of another grid.
    """
    if usual.n_tokens != len(x_nd):
        raise ValueError(f"expected position means at {len(x_nd)} tokens, found {usual.n_tokens}")
    coding = Coding.of(sae)
    usual_f, clean_f, sum_f = np.zeros(coding.n), np.zeros(coding.n), np.zeros(coding.n)
    n_active_f, total = np.zeros(coding.n, np.int64), 0.0
    rows = max(64, _PRODUCTS[x_nd.device.type] // coding.n_latents)
    with torch.inference_mode():
        W_dh = sae.W_dec.T
        for first in range(0, len(x_nd), rows):
            x_td, g_td = x_nd[first : first + rows], g_nd[first : first + rows]
            last = first + len(x_td)
            product_th = g_td @ W_dh
            total += float(((usual.output(first, last).to(x_td.device) - x_td) * g_td).sum(dtype=torch.float64))
            usual_f += _weighed(coding, product_th, usual.entries(first, last))
            found = encode(sae, x_td)
            if isinstance(found, Active):
                entries = _entries(found, coding)
                clean_f += _weighed(coding, product_th, entries)
                n_active_f += np.bincount(entries.feature, minlength=coding.n)
                sum_f += np.bincount(entries.feature, entries.value, coding.n)
            else:
                for sums, part_f in zip((clean_f, n_active_f, sum_f), _dense(coding, product_th, found), strict=True):
                    sums += part_f
    sign_f = coding.sign(np.arange(coding.n))
    return Projected(sign_f * (usual_f - clean_f), total, n_active_f, sum_f, len(x_nd))


def _entries(found: Active, coding: Coding) -> Entries:
    count, feature, value = active_entries(found, coding.signed)
    return Entries(np.concatenate([[0], np.cumsum(count, dtype=np.int64)]), feature, value)


def _weighed(coding: Coding, product_th: torch.Tensor, entries: Entries) -> np.ndarray:
    """Sum over tokens of each feature times its latent's product, (features,) float64, entry after entry."""
    places = entries.tokens() * coding.n_latents + coding.latent(entries.feature)
    taken = product_th.reshape(-1)[torch.from_numpy(places).to(product_th.device)].cpu().numpy()
    return np.bincount(entries.feature, taken * entries.value, coding.n)


def _dense(coding: Coding, product_th: torch.Tensor, h_th: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `_weighed`, tokens that are on and sum of values, of all features of some tokens."""
    parts = (h_th.clamp(min=0), (-h_th).clamp(min=0)) if coding.signed else (h_th,)
    found = [
        ((part * product_th).sum(dim=0, dtype=torch.float64), (part > 0).sum(dim=0), part.sum(dim=0, dtype=torch.float64)) for part in parts
    ]
    return tuple(torch.stack(column, dim=1).reshape(-1).cpu().numpy() for column in zip(*found, strict=True))
