"""Sums over held-out tokens from which every metric follows: float64, centred, one pass.

What is subtracted is known before the pass (the held-out mean and the training means come from the stores), so errors
and variances are sums of squares of small numbers and no digit is lost to large means. Snapshots may come in pieces and in any order.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from aurorascope.sae.active import Active

_SCALARS = (
    "n", "sse", "sst", "sst_train", "sst_position", "weight", "sse_area", "sst_area", "x_sq", "x_hat_sq", "dot",
    "cosine", "n_cosine", "l2_ratio", "token_nmse", "n_l2", "token_ratio", "n_token_ratio", "afa_ratio", "n_afa_ratio",
    "afa_epsilon", "n_afa_epsilon",
)


@dataclass(frozen=True)
class Means:
    """What activations are centred by.

    Attributes:
        held_out: (d,) float64, mean over all held-out tokens.
        train: (d,) float64, mean over all training tokens.
        position: (n_tokens, d), training mean at each token.
        decoder: (d,), the autoencoder's b_dec.
    """

    held_out: np.ndarray
    train: np.ndarray
    position: np.ndarray
    decoder: np.ndarray


class Sums:
    """Running sums, in `totals`; names ending in `_g` are per group of tokens (latent level x latitude band).

    Attributes:
        groups: (n_tokens,) group of each token.
        weights: (n_tokens,) area weight of each token.
        means: see `Means`.
        n_latents: d_hidden.
        totals: each sum by name. 0-d float64: n tokens, sse, sst about the held-out mean, sst_train, sst_position, weight,
            sse_area and sst_area (weighted), x_sq = |x|^2, x_hat_sq, dot = x . x_hat, and sums over the tokens where they
            are defined, with their number: cosine (n_cosine), l2_ratio = |x_hat| / |x| and token_nmse = |x - x_hat|^2 /
            |x|^2 (n_l2), token_ratio = |x - x_hat|^2 / |x - held-out mean|^2 (n_token_ratio), afa_ratio and afa_epsilon
            as in `formulas`. Vectors: error_d = x_hat - x, weighted_dev_d, second_dd (the outer products of x - training
            mean), dev_gd, n_g, sse_g, sst_g. Counts, int64: fired_h (tokens that each feature is on for), l0_counts
            (tokens with 0, 1, ... features on).
    """

    def __init__(self, groups: np.ndarray, weights: np.ndarray, means: Means, n_latents: int) -> None:
        self.groups, self.weights, self.means, self.n_latents = groups, weights, means, n_latents
        n_groups, d = int(groups.max()) + 1, len(means.held_out)
        self.totals: dict[str, Any] = {name: 0.0 for name in _SCALARS}
        self.totals |= {name: np.zeros(n_groups) for name in ("n_g", "sse_g", "sst_g")}
        self.totals |= {"dev_gd": np.zeros((n_groups, d)), "second_dd": np.zeros((d, d))}
        self.totals |= {name: np.zeros(d) for name in ("weighted_dev_d", "error_d")}
        self.totals["fired_h"] = np.zeros(n_latents, np.int64)
        self.totals["l0_counts"] = np.zeros(n_latents + 1, np.int64)

    @property
    def scalars(self) -> dict[str, float]:
        """The 0-d sums, and what the vectors come to where another definition needs them.

        Besides `totals`: error_sq = |sum of x_hat - x|^2; error_entries = sum of x_hat - x over tokens and channels;
        sst_entries = sum of (x - c)^2 over tokens and channels about their one mean c; weighted_dev_sq = |sum of weight
        times (x - held-out mean)|^2.
        """
        t, mean_d = self.totals, self.means.held_out
        return {
            **{name: float(t[name]) for name in _SCALARS},
            "error_sq": float(np.square(t["error_d"]).sum()),
            "error_entries": float(t["error_d"].sum()),
            "weighted_dev_sq": float(np.square(t["weighted_dev_d"]).sum()),
            "sst_entries": float(t["sst"] + t["n"] * np.square(mean_d - mean_d.mean()).sum()),
        }

    def add(self, x_nd: np.ndarray, x_hat_nd: np.ndarray, h: np.ndarray | Active, first: int = 0) -> None:
        """Count consecutive tokens of one snapshot.

        Args:
            x_nd: activations, (n, d).
            x_hat_nd: reconstructions, (n, d).
            h: features, (n, d_hidden), or those that are on.
            first: place of the first of them in the snapshot.
        """
        rows = slice(first, first + len(x_nd))
        x_nd, x_hat_nd = x_nd.astype(np.float64), x_hat_nd.astype(np.float64)
        self._add_errors(x_nd, x_hat_nd, rows)
        self._add_directions(x_nd, x_hat_nd)
        self._add_features(x_nd, h)

    def _count(self, **values: np.ndarray) -> None:
        for name, value in values.items():
            self.totals[name] += float(value.sum())

    def _add_errors(self, x: np.ndarray, x_hat: np.ndarray, rows: slice) -> None:
        groups, weights, means, t = self.groups[rows], self.weights[rows], self.means, self.totals
        centred, about_train = x - means.held_out, x - means.train
        sse_n, sst_n = np.square(x - x_hat).sum(axis=1), np.square(centred).sum(axis=1)
        self._count(
            n=np.ones(len(x)), sse=sse_n, sst=sst_n, sst_train=np.square(about_train),
            sst_position=np.square(x - means.position[rows]), weight=weights, sse_area=weights * sse_n,
            sst_area=weights * sst_n, token_ratio=sse_n[sst_n > 0] / sst_n[sst_n > 0], n_token_ratio=sst_n > 0,
        )
        t["error_d"] += (x_hat - x).sum(axis=0)
        t["weighted_dev_d"] += weights @ centred
        t["second_dd"] += about_train.T @ about_train
        n_groups = len(t["n_g"])
        t["n_g"] += np.bincount(groups, minlength=n_groups)
        t["sse_g"] += np.bincount(groups, sse_n, n_groups)
        t["sst_g"] += np.bincount(groups, sst_n, n_groups)
        t["dev_gd"] += (groups == np.arange(n_groups)[:, None]).astype(np.float64) @ centred

    def _add_directions(self, x: np.ndarray, x_hat: np.ndarray) -> None:
        x_sq, x_hat_sq, dot = (np.vecdot(a, b) for a, b in ((x, x), (x_hat, x_hat), (x, x_hat)))
        # Roots before the product, which may leave float64's range.
        norms, is_x = np.sqrt(x_sq) * np.sqrt(x_hat_sq), x_sq > 0
        both = norms > 0
        self._count(
            x_sq=x_sq, x_hat_sq=x_hat_sq, dot=dot, cosine=dot[both] / norms[both], n_cosine=both,
            l2_ratio=np.sqrt(x_hat_sq[is_x] / x_sq[is_x]), n_l2=is_x,
            token_nmse=np.square(x - x_hat).sum(axis=1)[is_x] / x_sq[is_x],
        )

    def _add_features(self, x: np.ndarray, h: np.ndarray | Active) -> None:
        fired_h, l0_n, h_sq = _fired(h)
        self.totals["fired_h"] += fired_h
        self.totals["l0_counts"] += np.bincount(l0_n, minlength=self.n_latents + 1)
        z_sq = np.square(x - self.means.decoder).sum(axis=1)
        is_z, is_h = z_sq > 0, h_sq > 0
        epsilon = np.abs(z_sq[is_h] / h_sq[is_h] - 1) / max(self.n_latents - 1, 1)
        self._count(
            afa_ratio=np.sqrt(h_sq[is_z] / z_sq[is_z]), n_afa_ratio=is_z, afa_epsilon=epsilon, n_afa_epsilon=is_h
        )


def _fired(h: np.ndarray | Active) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens of each feature, (h,), features of each token, (n,), and the sum of their squares, (n,) float64."""
    if not isinstance(h, Active):
        active = h != 0
        return active.sum(axis=0), active.sum(axis=1), np.square(h, dtype=np.float64).sum(axis=1)
    l0_n, squares = np.diff(h.ends), np.square(h.values.numpy(), dtype=np.float64)
    return np.bincount(h.columns, minlength=h.h), l0_n, np.bincount(h.rows(), squares, len(l0_n))
