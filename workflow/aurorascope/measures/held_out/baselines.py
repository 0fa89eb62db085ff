"""What explains the same tokens without an autoencoder: means, principal components, random directions.

An FVE says little without them: a map of position means alone explains most of the variance of many blocks, and where
few components hold nearly all of it, so does any dictionary. Each baseline is scored on the same tokens and sums as the
autoencoder; `formulas.BASELINES` has the definitions.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from aurorascope.activations.feed import Feed
from aurorascope.measures.held_out.formulas import BASELINES
from aurorascope.measures.held_out.metrics import explained
from aurorascope.measures.held_out.sums import Sums
from aurorascope.streams import Stream, generator

# Entries of the largest matrix in flight, so that memory does not grow with the tokens of a snapshot.
_ENTRIES = 1 << 25


def row_chunks(n_tokens: int, width: int) -> Iterator[slice]:
    """Slices over the tokens of a snapshot, each with at most 2^25 entries of that width."""
    step = max(1, _ENTRIES // width)
    return (slice(first, min(first + step, n_tokens)) for first in range(0, n_tokens, step))


def second_moments(feed: Feed, mean_d: np.ndarray) -> np.ndarray:
    """Sum over all tokens of the outer products of x - mean, (d, d) float64, from one pass over the feed.

    Args:
        feed: the snapshots.
        mean_d: (d,) float64; about the data's own mean the sum is their covariance times their number.
    """
    mean = torch.from_numpy(mean_d).to(feed.device)
    total_dd = torch.zeros(len(mean_d), len(mean_d), dtype=torch.float64, device=feed.device)
    for x_nd in feed.snapshots(np.arange(feed.n_snapshots)):
        for rows in row_chunks(len(x_nd), len(mean_d)):
            centred_nd = x_nd[rows].double() - mean
            if feed.device.type == "cpu":
                # NumPy sees that the product is symmetric and takes half the operations.
                total_dd += torch.from_numpy(centred_nd.numpy().T @ centred_nd.numpy())
            else:
                total_dd += centred_nd.T @ centred_nd
    return total_dd.cpu().numpy()


def pca_error(train_dd: np.ndarray, held_out_dd: np.ndarray, k: int) -> float:
    """Sum of squared errors of the k leading principal components, exact, without projecting a token.

    The error of a token is its part in the span of the other components u, so the sum over tokens is that of
    u^T (sum of outer products) u: a sum of squares, with no difference in which digits could be lost.

    Args:
        train_dd: second moments that the components are of, about the training mean, (d, d).
        held_out_dd: second moments of the tokens that are scored, about the same mean.
        k: components kept; from d on there is no error.
    """
    if k >= len(train_dd):
        return 0.0
    vectors_dd = np.linalg.eigh(train_dd).eigenvectors
    rest_dr = vectors_dd[:, : len(train_dd) - k]
    return float(np.einsum("dr,dr->", rest_dr, held_out_dd @ rest_dr).clip(min=0))


class RandomDictionary:
    """Reconstruction from k of many random directions; the number that scales it is fitted at the end, in closed form.

    Args:
        n_latents: directions, as many as the autoencoder has features.
        k: kept for each token, those of largest magnitude, with their sign.
        depth_index: the block's place in forward order, which seeds the directions.
        mean_d: (d,) float64, training mean.
        device: where products are computed, in float32.
    """

    def __init__(self, n_latents: int, k: int, depth_index: int, mean_d: np.ndarray, device: torch.device) -> None:
        rng = generator(Stream.RANDOM_DIRECTIONS, depth_index)
        rows_hd = rng.standard_normal((n_latents, len(mean_d)), np.float32)
        rows_hd /= np.linalg.norm(rows_hd, axis=1, keepdims=True)
        self._rows_hd, self._mean = torch.from_numpy(rows_hd).to(device), torch.from_numpy(mean_d).to(device)
        self._k, self._dot, self._square = k, 0.0, 0.0

    def add(self, x_nd: torch.Tensor) -> None:
        """Count tokens, (n, d)."""
        if self._k == 0:
            return
        centred_nd = x_nd.double() - self._mean
        z_nh = centred_nd.float() @ self._rows_hd.T
        kth_n1 = z_nh.abs().topk(self._k, dim=1).values[:, -1:]
        raw_nd = (torch.where(z_nh.abs() >= kth_n1, z_nh, 0.0) @ self._rows_hd).double()
        self._dot += float((centred_nd * raw_nd).sum())
        self._square += float(raw_nd.square().sum())

    def fit(self, sst_train: float) -> tuple[float, float]:
        """The best factor a of the raw reconstruction r, and the sum of squared errors of a r.

        Args:
            sst_train: sum of squares of all tokens counted, about the training mean.
        """
        if self._square == 0:
            return 0.0, sst_train
        return self._dot / self._square, max(sst_train - self._dot**2 / self._square, 0.0)


def baselines(sums: Sums, l0: float, train_dd: np.ndarray, dictionary: RandomDictionary) -> dict[str, dict[str, Any]]:
    """Scores of each of `BASELINES`: formula_id, sse, fve and fve_anom, and what they were made with.

    Args:
        sums: over all held-out tokens.
        l0: of the autoencoder.
        train_dd: second moments of the training tokens about their mean.
        dictionary: random directions that have seen all held-out tokens.
    """
    s, k = sums.scalars, round(l0)
    n_components = min(k, len(train_dd))
    scale, random_sse = dictionary.fit(s["sst_train"])
    errors = {
        "train_mean": s["sst_train"],
        "climatology": s["sst_position"],
        "pca": pca_error(train_dd, sums.totals["second_dd"], n_components),
        "random": random_sse,
    }
    settings = {"pca": {"k": n_components}, "random": {"k": k, "scale": scale}}
    return {
        name: {
            "formula_id": formula_id,
            "sse": errors[name],
            "fve": explained(errors[name], s["sst"], s["x_sq"]),
            "fve_anom": explained(errors[name], s["sst_position"], s["x_sq"]),
            **settings.get(name, {}),
        }
        for name, (formula_id, _) in BASELINES.items()
    }
