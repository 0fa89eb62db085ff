"""A dictionary of tokens as they are, without training: the baseline of the table of architectures.

ITDA (Leask, Nanda & Al Moubayed 2025, arXiv:2505.17769) takes a token into the dictionary where matching pursuit with what is there leaves more than a
threshold of it. Here tokens are those of the block less their mean, and the threshold is sought for which the dictionary has as many directions as the
SAEs beside it. It is of the released form `matching_pursuit`.
"""

import numpy as np
import torch

# Tokens that a dictionary is chosen among, for each of its directions; how many are looked at before the dictionary grows; halvings of the threshold.
_TOKENS, _BATCH, _HALVINGS = 16, 256, 12


def itda(tokens_td: torch.Tensor, mean_d: torch.Tensor, h: int, k: int, seed: int) -> dict[str, torch.Tensor]:
    """Release tensors of a dictionary of h tokens, with k steps of pursuit.

    Args:
        tokens_td: training tokens, float32.
        mean_d: their mean.
        h: directions.
        k: features a token.
        seed: of the order in which tokens come.
    """
    order = np.random.default_rng(seed).permutation(len(tokens_td))[: _TOKENS * h]
    x_td = tokens_td[torch.from_numpy(order)] - mean_d
    x_td = x_td[x_td.square().sum(1) > 0]
    low, high, best = 0.0, 1.0, None
    for _ in range(_HALVINGS):
        threshold = (low + high) / 2
        found = _grown(x_td, h, k, threshold)
        # Too many directions for the tokens: a higher threshold takes fewer.
        low, high = (threshold, high) if len(found) == h else (low, threshold)
        best = found if best is None or len(found) == h else best
    W_hd = torch.cat([best, _units(x_td[: h - len(best)])]) if len(best) < h else best
    return {
        "W_enc": W_hd.T.contiguous(), "b_enc": torch.zeros(h), "W_dec": W_hd, "b_dec": mean_d.clone(), "k": torch.tensor(k),
        "pursuit": torch.tensor(True),
    }


def _units(x_td: torch.Tensor) -> torch.Tensor:
    # Twice, so that norms are 1 to the last bits.
    return torch.nn.functional.normalize(torch.nn.functional.normalize(x_td, dim=1), dim=1)


def _grown(x_td: torch.Tensor, most: int, k: int, threshold: float) -> torch.Tensor:
    """Directions of the tokens of which pursuit leaves more than a share of the square; at most so many."""
    W_hd = _units(x_td[:1])
    for batch_nd in x_td.split(_BATCH):
        is_left_n = _left(batch_nd, W_hd, k) > threshold
        W_hd = torch.cat([W_hd, _units(batch_nd[is_left_n])])[:most]
        if len(W_hd) == most:
            break
    return W_hd


def _left(x_nd: torch.Tensor, W_hd: torch.Tensor, k: int) -> torch.Tensor:
    """Share of the square of each token that k steps of pursuit leave, (n,)."""
    left_nd = x_nd
    for _ in range(k):
        a_n, j_n = (left_nd @ W_hd.T).max(dim=1)
        left_nd = left_nd - a_n.clamp(min=0)[:, None] * W_hd[j_n]
    return left_nd.square().sum(1) / x_nd.square().sum(1)
