"""Moments of activations: per snapshot while dumping, merged in time order afterwards, float64 throughout."""

import itertools
from dataclasses import dataclass

import numpy as np

from aurorascope.activations.rows import ColumnSum, row_blocks
from aurorascope.tokens import TokenGrid

NORM_QUANTILES = (0.0, 0.01, 0.5, 0.99, 1.0)
# Fixed, whatever bands a configuration evaluates by: a manifest must not change with them.
BAND_EDGES = (-90, -60, -30, 0, 30, 60, 90)
BANDS = tuple(f"{south}..{north}" for south, north in itertools.pairwise(BAND_EDGES))


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


class TokenMoments:
    """Moments of one snapshot from two passes over its blocks of rows: `see` all of them, then `centre` all of them.

    Args:
        n: tokens.
        d: channels.

    Attributes:
        norms_n: (n,) float64, Euclidean norm of each token, once all are seen.
    """

    def __init__(self, n: int, d: int) -> None:
        self._n, self._sums, self._squares = n, ColumnSum(d), ColumnSum(d)
        self._mean: np.ndarray | None = None
        self.norms_n = np.empty(n)

    def see(self, rows: slice, values_rd: np.ndarray) -> None:
        """First pass."""
        wide_rd = self._sums.take(values_rd)
        self.norms_n[rows] = np.sqrt(np.einsum("nd,nd->n", wide_rd, wide_rd))
        self._sums.add(len(wide_rd))

    def centre(self, _rows: slice, values_rd: np.ndarray) -> None:
        """Second pass, about the mean that the first one found."""
        if self._mean is None:
            self._mean = self._sums.total / self._n
        wide_rd = self._squares.take(values_rd)
        wide_rd -= self._mean
        wide_rd *= wide_rd
        self._squares.add(len(wide_rd))

    def result(self) -> Moments:
        """The moments after both passes."""
        return Moments(self._n, self._sums.total / self._n, self._squares.total)


def of_tokens(tokens_nd: np.ndarray) -> Moments:
    """Moments of one set of tokens, (n, d)."""
    found = TokenMoments(*tokens_nd.shape)
    for step in (found.see, found.centre):
        for rows in row_blocks(*tokens_nd.shape):
            step(rows, tokens_nd[rows])
    return found.result()


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of two disjoint sets together (Chan, Golub & LeVeque 1983, eq. 2.1)."""
    n = a.n + b.n
    delta = b.mean - a.mean
    return Moments(n, a.mean + delta * (b.n / n), a.m2 + b.m2 + delta**2 * (a.n * b.n / n))


def quantiles_by_level(norms_n: np.ndarray, n_levels: int) -> np.ndarray:
    """Quantiles `NORM_QUANTILES` of the token norms of each latent level, (levels, quantiles) float64."""
    return np.quantile(norms_n.reshape(n_levels, -1), NORM_QUANTILES, axis=1).T


def quantiles_by_band(norms_n: np.ndarray, grid: TokenGrid) -> np.ndarray:
    """The same within each latitude band, (levels, bands, quantiles) float64.

    A row belongs to the band that its centre lies in; on an edge, to the northern one. A band without rows is NaN.
    """
    band_y = np.clip(np.searchsorted(BAND_EDGES, grid.lat, side="right") - 1, 0, len(BANDS) - 1)
    norms_lyx = norms_n.reshape(grid.shape)
    found = np.full((grid.n_levels, len(BANDS), len(NORM_QUANTILES)), np.nan)
    for band in np.unique(band_y):
        found[:, band] = quantiles_by_level(norms_lyx[:, band_y == band].reshape(-1), grid.n_levels)
    return found
