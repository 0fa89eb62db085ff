"""Moments of activations: per snapshot while dumping, merged in time order afterwards, float64 throughout."""

from dataclasses import dataclass

import numpy as np

NORM_QUANTILES = (0.0, 0.01, 0.5, 0.99, 1.0)


@dataclass(frozen=True)
class Moments:
    """Count, mean and centred sum of squares of each channel.

    Attributes:
        n: tokens counted.
        mean: (d,) float64.
        m2: (d,) float64, sum of squared deviations from the mean.
    """

    n: int
    mean: np.ndarray
    m2: np.ndarray


def of_tokens(tokens_nd: np.ndarray) -> Moments:
    """Moments of one set of tokens, (n, d)."""
    values = tokens_nd.astype(np.float64)
    mean = values.mean(axis=0)
    values -= mean
    return Moments(len(values), mean, np.einsum("nd,nd->d", values, values))


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of two disjoint sets together (Chan, Golub & LeVeque 1983, eq. 2.1)."""
    n = a.n + b.n
    delta = b.mean - a.mean
    return Moments(n, a.mean + delta * (b.n / n), a.m2 + b.m2 + delta**2 * (a.n * b.n / n))


def norm_quantiles(tokens_nd: np.ndarray, n_levels: int) -> np.ndarray:
    """Quantiles `NORM_QUANTILES` of the token norms of each latent level, (levels, quantiles) float64."""
    norms = np.sqrt(np.einsum("nd,nd->n", tokens_nd, tokens_nd, dtype=np.float64)).reshape(n_levels, -1)
    return np.quantile(norms, NORM_QUANTILES, axis=1).T
