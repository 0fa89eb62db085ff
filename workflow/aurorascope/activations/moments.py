"""Moments of activations: per snapshot while dumping, merged in time order afterwards, float64 throughout."""

import itertools
from dataclasses import dataclass

import numpy as np

from aurorascope.activations.rows import ColumnSum, row_blocks
from aurorascope.tokens import TokenGrid

NORM_QUANTILES = (0.0, 0.01, 0.5, 0.99, 1.0)
# Fixed, whatever bands a configuration evaluates by: a manifest must not change with them.
BAND_EDGES = (-90, -60, -30, 0, 30, 60, 90)
# Below this, a norm's squares may have been lost to float32's range; they are summed in float64 then.
_LEAST_SQUARE = 1e-25
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
    """Moments of one snapshot from one pass over its blocks of rows, about a shift that is close to the mean.

    With s the shift, m2 = sum (x - s)^2 - n (mean - s)^2 (Chan, Golub & LeVeque 1983, eq. 1.5): nothing cancels while
    the shift is the mean but for its rounding to float32, and the values need not be decoded a second time.

    Args:
        n: tokens.
        shift_d: (d,) float32, the channel means but for rounding.

    Attributes:
        norms_n: (n,) float64, Euclidean norm of each token, once all are seen; summed in float32 where that is enough.
    """

    def __init__(self, n: int, shift_d: np.ndarray) -> None:
        self._n, self._shift_d = n, shift_d.astype(np.float64)
        self._sums, self._squares = ColumnSum(len(shift_d)), ColumnSum(len(shift_d))
        self.norms_n = np.empty(n)

    def see(self, rows: slice, values_rd: np.ndarray) -> None:
        """The next block of rows, float32."""
        self.norms_n[rows] = _norms(values_rd)
        centred_rd = self._sums.take(values_rd)
        centred_rd -= self._shift_d
        self._sums.add(len(centred_rd))
        np.multiply(centred_rd, centred_rd, out=self._squares.space(len(centred_rd)))
        self._squares.add(len(centred_rd))

    def result(self) -> Moments:
        """The moments after the last block."""
        delta_d = self._sums.total / self._n
        return Moments(self._n, self._shift_d + delta_d, self._squares.total - self._n * delta_d**2)


def _norms(values_rd: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        squares_r = np.vecdot(values_rd, values_rd).astype(np.float64)
    if not ((squares_r > _LEAST_SQUARE) & np.isfinite(squares_r)).all():
        wide_rd = values_rd.astype(np.float64)
        squares_r = np.vecdot(wide_rd, wide_rd)
    return np.sqrt(squares_r)


def of_tokens(tokens_nd: np.ndarray) -> Moments:
    """Moments of one set of tokens, (n, d) float32."""
    found = TokenMoments(len(tokens_nd), tokens_nd.mean(0, dtype=np.float64).astype(np.float32))
    for rows in row_blocks(*tokens_nd.shape):
        found.see(rows, tokens_nd[rows])
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
