"""The strongest features of each token: what remains of 4,096 to 16,384 values when only a few are kept."""

import numpy as np
import torch

# What stands in place of a feature where a token has fewer active ones than are kept.
NO_FEATURE = -1


def strongest(h_nh: torch.Tensor, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k active features of largest magnitude of each token, strongest first.

    A feature is active where it is not zero; signed ones are ordered by magnitude and keep their sign. Among
    equal magnitudes the lower index comes first.

    Args:
        h_nh: features, (n_tokens, d_hidden).
        k: how many to keep, at most d_hidden.

    Returns:
        Their indices, (n_tokens, k) int32, `NO_FEATURE` where fewer are active; their values, (n_tokens, k) float32,
        NaN there.
    """
    # torch.topk promises no order of equal entries; a stable sort does.
    index_nk = h_nh.abs().sort(dim=-1, descending=True, stable=True).indices[:, :k]
    value_nk = h_nh.gather(-1, index_nk)
    is_active = value_nk != 0
    index_nk = torch.where(is_active, index_nk, NO_FEATURE)
    value_nk = torch.where(is_active, value_nk, torch.nan)
    return index_nk.to(torch.int32).cpu().numpy(), value_nk.float().cpu().numpy()
