"""A released autoencoder on many tokens: as `AuroraSAE` computes it, or, on a CPU where few features are on, by those alone.

Features are the same to the bit. A reconstruction that is a sum over the active ones rounds otherwise than the dense
product, so that which of the two is taken follows from the features, never from a time, and who asks for it says so in
a recipe version.
"""

import numpy as np
import torch

from aurorascope.portable.kernels import are_replaced
from aurorascope.sae.active import Active
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.selection import Chosen, above, beyond, largest

# Share of the features on up to which sums over them measured as faster (docs/benchmarks.md, "Sparse evaluation").
DENSEST = 1 / 8

Features = Active | torch.Tensor


def encode(sae: AuroraSAE, x_nd: torch.Tensor) -> Features:
    """Features of activations (n, d), those that are on or all of them, (n, h); inside `torch.inference_mode()`."""
    active = _active(sae, x_nd)
    return sae.encode(x_nd) if active is None else active


def reconstruct(sae: AuroraSAE, x_nd: torch.Tensor) -> tuple[torch.Tensor, Features]:
    """Reconstruction (n, d), a sum over the features that are on if these are few, and features, as `encode`."""
    active = _active(sae, x_nd)
    return sae(x_nd) if active is None else (active.times(sae.W_dec).add_(sae.b_dec), active)


def count_on(features: Features) -> np.ndarray:
    """Tokens that each feature is on for, (h,) int64."""
    if isinstance(features, Active):
        return np.bincount(features.columns, minlength=features.h)
    return (features != 0).sum(dim=0).cpu().numpy()


def of_chosen(features: Features, chosen: list[int]) -> np.ndarray:
    """Some features of each token, (n, len(chosen)) float32, in the order asked for."""
    if not isinstance(features, Active):
        return features[:, chosen].cpu().numpy()
    found_nf = np.zeros((len(features.ends) - 1, len(chosen)), np.float32)
    rows, values = features.rows(), features.values.numpy()
    for place, feature in enumerate(chosen):
        here = features.columns == feature
        found_nf[rows[here], place] = values[here]
    return found_nf


def _active(sae: AuroraSAE, x_nd: torch.Tensor) -> Active | None:
    """The features that are on, where products over them alone pay."""
    h, form = sae.d_hidden, sae.architecture
    # Portable numbers have the kernels of dense products, and NumPy selects on the CPU alone.
    if form == "relu" or sae.b_dec.device.type != "cpu" or are_replaced():
        return None
    if form != "jumprelu" and int(sae.k) > DENSEST * h:
        return None
    chosen = _chosen(sae, x_nd)
    return Active.of(chosen, len(x_nd), h) if len(chosen[0]) <= DENSEST * h * len(x_nd) else None


def _chosen(sae: AuroraSAE, x_nd: torch.Tensor) -> Chosen:
    if sae.architecture == "matching_pursuit":
        return above(sae.encode(x_nd), 0)
    z_nh = (x_nd - sae.b_dec) @ sae.W_enc + sae.b_enc
    if sae.architecture == "jumprelu":
        return beyond(z_nh, sae.threshold.numpy())
    return largest(z_nh, int(sae.k), sae.architecture == "abstopk")
