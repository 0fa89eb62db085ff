"""Initial weights: functions of (seed, block) alone, drawn on the CPU so that devices agree."""

import numpy as np
import torch

from aurorascope.sae.objective import Parameters
from aurorascope.streams import Stream, generator

# Share of the variance that the active subspace holds.
_ACTIVE = 0.95


def initial_weights(d_model: int, d_hidden: int, seed: int, depth_index: int, kind: str = "scaled",
                    covariance_dd: np.ndarray | None = None, rows_hd: np.ndarray | None = None) -> Parameters:
    """The four tensors before the first step, on the CPU.

    Rows of W_dec are random directions of unit norm, biases are zero. "scaled" has W_enc = W_dec^T times 2 d / h: with half
    of the latents on, the first reconstruction is then right on average (the mean of W_dec^T W_dec is h / d times the
    identity), and training need not first undo an overshoot (docs/decisions.md has the comparison). "tied" has W_enc =
    W_dec^T, for architectures that keep few latents. "active_subspace" is tied, with directions inside the span of the
    leading eigenvectors that hold 95 % of the activations' variance, where no latent starts out blind (Wang et al. 2025,
    arXiv 2508.16929).

    Args:
        d_model: channels.
        d_hidden: latents.
        seed: the configured seed.
        depth_index: the block's place in forward order.
        kind: "scaled", "tied" or "active_subspace".
        covariance_dd: (d, d) covariance of the activations, for "active_subspace".
        rows_hd: (h, d) directions in place of random ones.

    Returns:
        W_enc (d, h), b_enc (h,), W_dec (h, d), b_dec (d,), float32.
    """
    if rows_hd is None:
        rows_hd = generator(Stream.INITIAL_WEIGHTS, seed, depth_index).standard_normal((d_hidden, d_model), np.float32)
    if kind == "active_subspace":
        rows_hd = rows_hd @ _projector(covariance_dd)
    rows_hd = rows_hd / np.linalg.norm(rows_hd, axis=1, keepdims=True)
    W_dec = torch.from_numpy(rows_hd)
    factor = 2 * d_model / d_hidden if kind == "scaled" else 1.0
    return {
        "W_enc": W_dec.T.contiguous() * factor,
        "b_enc": torch.zeros(d_hidden),
        "W_dec": W_dec,
        "b_dec": torch.zeros(d_model),
    }


def _projector(covariance_dd: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance_dd)
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
    rank = 1 + int(np.searchsorted(np.cumsum(values) / values.sum(), _ACTIVE))
    leading_dr = vectors[:, :rank]
    return (leading_dr @ leading_dr.T).astype(np.float32)
