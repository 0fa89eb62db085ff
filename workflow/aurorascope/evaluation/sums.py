"""Sums over held-out tokens from which every metric follows: float64, centred, one pass, mergeable.

The baselines are known before the pass (the held-out mean and the training means come from the stores), so errors and
variances are sums of squares of small numbers and no digit is lost to large means.
"""

from dataclasses import dataclass, field

import numpy as np

_ROWS = 16384


@dataclass(frozen=True)
class Baselines:
    """What reconstructions are compared with.

    Attributes:
        held_out_mean: (d,) float64, mean over all held-out tokens.
        train_mean: (d,) float64, mean over all training tokens.
        position_mean: (n_tokens, d), training mean at each token.
    """

    held_out_mean: np.ndarray
    train_mean: np.ndarray
    position_mean: np.ndarray


@dataclass
class Sums:
    """Running sums; fields ending in `_g` are per group of tokens (latent level x latitude band), (groups,).

    Attributes:
        groups: (n_tokens,) group of each token.
        weights: (n_tokens,) area weight of each token.
        baselines: see `Baselines`.
        n_latents: d_hidden.
    """

    groups: np.ndarray
    weights: np.ndarray
    baselines: Baselines
    n_latents: int
    n_g: np.ndarray = field(init=False)
    sse_g: np.ndarray = field(init=False)
    sst_g: np.ndarray = field(init=False)
    dev_gd: np.ndarray = field(init=False)
    scalars: dict[str, float] = field(init=False)
    weighted_dev_d: np.ndarray = field(init=False)
    fired_h: np.ndarray = field(init=False)
    l0_counts: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        n_groups, d = int(self.groups.max()) + 1, len(self.baselines.held_out_mean)
        self.n_g, self.sse_g, self.sst_g = (np.zeros(n_groups) for _ in range(3))
        self.dev_gd, self.weighted_dev_d = np.zeros((n_groups, d)), np.zeros(d)
        names = ("n", "sse", "sst", "sst_train", "sst_position", "weight", "sse_area", "sst_area", "cosine", "n_cosine")
        self.scalars = dict.fromkeys(names, 0.0)
        self.fired_h = np.zeros(self.n_latents, np.int64)
        self.l0_counts = np.zeros(self.n_latents + 1, np.int64)

    def add(self, x_nd: np.ndarray, x_hat_nd: np.ndarray, h_nh: np.ndarray) -> None:
        """Count one snapshot: activations and reconstruction (n_tokens, d), features (n_tokens, d_hidden)."""
        for start in range(0, len(x_nd), _ROWS):
            rows = slice(start, start + _ROWS)
            self._add_errors(x_nd[rows].astype(np.float64), x_hat_nd[rows].astype(np.float64), rows)
        active = h_nh != 0
        self.fired_h += active.sum(axis=0)
        self.l0_counts += np.bincount(active.sum(axis=1), minlength=self.n_latents + 1)

    def _add_errors(self, x: np.ndarray, x_hat: np.ndarray, rows: slice) -> None:
        groups, weights, base, s = self.groups[rows], self.weights[rows], self.baselines, self.scalars
        centred = x - base.held_out_mean
        sse_n = np.square(x - x_hat).sum(axis=1)
        sst_n = np.square(centred).sum(axis=1)
        for name, values in (
            ("sse", sse_n),
            ("sst", sst_n),
            ("sst_train", np.square(x - base.train_mean).sum(axis=1)),
            ("sst_position", np.square(x - base.position_mean[rows]).sum(axis=1)),
            ("weight", weights),
            ("sse_area", weights * sse_n),
            ("sst_area", weights * sst_n),
        ):
            s[name] += float(values.sum())
        s["n"] += len(x)
        norms = np.linalg.norm(x, axis=1) * np.linalg.norm(x_hat, axis=1)
        defined = norms > 0
        s["cosine"] += float((np.einsum("nd,nd->n", x, x_hat)[defined] / norms[defined]).sum())
        s["n_cosine"] += int(defined.sum())
        self.weighted_dev_d += weights @ centred
        n_groups = len(self.n_g)
        self.n_g += np.bincount(groups, minlength=n_groups)
        self.sse_g += np.bincount(groups, sse_n, n_groups)
        self.sst_g += np.bincount(groups, sst_n, n_groups)
        member = (groups == np.arange(n_groups)[:, None]).astype(np.float64)
        self.dev_gd += member @ centred
