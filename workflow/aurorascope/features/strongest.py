"""The strongest features of each token: what remains of 4,096 to 16,384 values when only a few are kept."""

import numpy as np
import torch
import torch.nn.functional as F

from aurorascope.features.forward import Features
from aurorascope.sae.active import Active

# What stands in place of a feature where a token has fewer active ones than are kept.
NO_FEATURE = -1


def strongest(features: Features, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k active features of largest magnitude of each token, strongest first.

    A feature is active where it is not zero; signed ones are ordered by magnitude and keep their sign. Among
    equal magnitudes the lower index comes first.

    Args:
        features: all of them, (n_tokens, d_hidden), or those that are on.
        k: how many to keep, at most d_hidden.

    Returns:
        Their indices, (n_tokens, k) int32, `NO_FEATURE` where fewer are active; their values, (n_tokens, k) float32,
        NaN there.
    """
    # torch.topk promises no order of equal entries; a stable sort does, and entries come by their index.
    latent_nm, value_nm = features.padded() if isinstance(features, Active) else (None, features)
    index_nk = value_nm.abs().sort(dim=-1, descending=True, stable=True).indices[:, :k]
    value_nk = value_nm.gather(-1, index_nk)
    if latent_nm is not None:
        index_nk = latent_nm.gather(-1, index_nk)
    is_active = value_nk != 0
    index_nk = torch.where(is_active, index_nk, NO_FEATURE)
    value_nk = torch.where(is_active, value_nk, torch.nan)
    missing = (0, k - index_nk.shape[1])
    index_nk, value_nk = F.pad(index_nk, missing, value=NO_FEATURE), F.pad(value_nk, missing, value=torch.nan)
    return index_nk.to(torch.int32).cpu().numpy(), value_nk.float().cpu().numpy()
