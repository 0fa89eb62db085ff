"""How alike the directions of a dictionary are: a feature that was split or found twice has a near double."""

import torch

_ROWS = 1024


def max_cosines(W_dec: torch.Tensor, alive_h: torch.Tensor, signed: bool) -> tuple[float | None, float | None]:
    """Mean over features of the largest cosine with another feature's direction.

    Args:
        W_dec: (h, d); rows of zeros have no direction and are left out.
        alive_h: (h,) bool, features that are on for some held-out token.
        signed: whether features may be negative; a direction and its opposite are then the same.

    Returns:
        The mean over and among alive features, and over and among all; None where there are fewer than two.
    """
    rows_hd = W_dec.double()
    norms_h = rows_hd.norm(dim=1)
    has_length = norms_h > 0
    rows_hd, alive_h = rows_hd[has_length] / norms_h[has_length, None], alive_h.to(W_dec.device)[has_length]
    largest_alive, largest_all = [], []
    for first in range(0, len(rows_hd), _ROWS):
        cosine_ch = rows_hd[first : first + _ROWS] @ rows_hd.T
        if signed:
            cosine_ch = cosine_ch.abs()
        own = torch.arange(len(cosine_ch), device=cosine_ch.device)
        cosine_ch[own, first + own] = -torch.inf
        largest_all.append(cosine_ch.amax(dim=1))
        largest_alive.append(cosine_ch.masked_fill(~alive_h, -torch.inf).amax(dim=1))
    return _mean(largest_alive, alive_h), _mean(largest_all, torch.ones_like(alive_h))


def _mean(largest: list[torch.Tensor], of_h: torch.Tensor) -> float | None:
    return float(torch.cat(largest)[of_h].mean()) if int(of_h.sum()) > 1 else None
