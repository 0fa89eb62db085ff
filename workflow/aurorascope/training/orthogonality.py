"""OrtSAE's penalty: decoder rows should not lie along one another (Korznikov et al. 2025, arXiv 2509.22033).

Penalty = weight * mean over latents i of max over j != i of cos(d_i, d_j)^2. The paper compares within random chunks; rows
here are few enough to be compared with all others, every `EVERY` steps, with the weight times `EVERY`.
"""

import torch

EVERY = 10
_ROWS = 2048


def add_gradient(W_dec: torch.Tensor, grad_hd: torch.Tensor, weight: float) -> None:
    """Add the gradient of the penalty to that of W_dec, whose rows have unit norm; the norm's own direction is left out.

    Args:
        W_dec: (h, d), rows of unit norm.
        grad_hd: gradient of W_dec, added to.
        weight: weight of the penalty.
    """
    h = len(W_dec)
    places = torch.arange(h, device=W_dec.device)
    for mine in places.split(_ROWS):
        cos_kh = W_dec[mine] @ W_dec.T
        cos_kh[torch.arange(len(mine), device=W_dec.device), mine] = 0
        others = cos_kh.abs().argmax(1)
        cos_k1 = cos_kh.gather(1, others[:, None])
        rows_kd, other_kd = W_dec[mine], W_dec[others]
        scale = 2 * weight / h
        # d cos / d d_i = d_j - cos d_i, for unit rows.
        grad_hd.index_add_(0, mine, scale * cos_k1 * (other_kd - cos_k1 * rows_kd))
        grad_hd.index_add_(0, others, scale * cos_k1 * (rows_kd - cos_k1 * other_kd))
