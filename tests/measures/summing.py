"""Small made-up activations, reconstructions and features, and their sums."""

import numpy as np
from aurorascope.measures.held_out.sums import Means, Sums

T, N, D, H = 5, 40, 6, 12
GROUPS = np.arange(N) % 4
WEIGHTS = 0.2 + np.arange(N) / N * 1.6
B_DEC = np.linspace(-1, 1, D)


def data(seed=0, offset=0.0, std=1.0):
    """Snapshots of float32 activations, reconstructions and features, and the training snapshots."""
    rng = np.random.default_rng(seed)
    place = rng.standard_normal((N, D))
    x = ((place + rng.standard_normal((T, N, D))) * std + offset).astype(np.float32)
    x_hat = (x + 0.3 * std * rng.standard_normal((T, N, D))).astype(np.float32)
    h = np.maximum(rng.standard_normal((T, N, H)) - np.linspace(-1, 4, H), 0).astype(np.float32)
    train = ((place + rng.standard_normal((T, N, D))) * std + offset).astype(np.float32)
    return x, x_hat, h, train


def means(x, train, b_dec=B_DEC):
    held_out, training = (a.astype(np.float64).reshape(-1, a.shape[-1]).mean(0) for a in (x, train))
    return Means(held_out, training, train.astype(np.float64).mean(0), b_dec)


def measure(x, x_hat, h, train, groups=GROUPS, weights=WEIGHTS, b_dec=B_DEC):
    """The sums over snapshots, each added whole."""
    sums = Sums(groups, weights, means(x, train, b_dec), h.shape[2])
    for snapshot in zip(x, x_hat, h, strict=True):
        sums.add(*snapshot)
    return sums


def one_snapshot(x, x_hat, h, groups=None, weights=None):
    """The sums over one snapshot, (n, d), about zero."""
    n, d = x.shape
    groups, weights = np.zeros(n, int) if groups is None else groups, np.ones(n) if weights is None else weights
    sums = Sums(groups, weights, Means(x.mean(0), np.zeros(d), np.zeros((n, d)), np.zeros(d)), h.shape[1])
    sums.add(x, x_hat, h)
    return sums
