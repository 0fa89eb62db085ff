"""What features usually are, by area: their mean, their mean where they are on, and the 99th percentile there, from one pass over tokens.

Features are added as they are computed, in any pieces of tokens: sums run token after token, so that pieces change no bit. For the
percentile only values are kept that may still be it, at most about a hundredth of all tokens for each feature.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from aurorascope.features.forward import Features
from aurorascope.sae.active import Active

_P99 = 0.99
# Above 1 - 0.99 by more than what a product in float64 may round by.
_ABOVE = 0.0101
# Values that are kept before it is asked for the first time which of them are still needed; twelve bytes each.
_FIRST = 1 << 24


def active_p99(values: np.ndarray, areas: np.ndarray, below: int = 0) -> float:
    """Least value that 99 % of the area does not exceed; NaN of none.

    Args:
        values: where a feature is on, in any order.
        areas: area of each, integers.
        below: area of further values, none of which exceeds one of these.
    """
    if not len(values):
        return float("nan")
    order = np.argsort(values, kind="stable")
    held = below + np.cumsum(areas[order])
    return float(values[order][np.searchsorted(held, _P99 * held[-1])])


@dataclass(frozen=True, eq=False)
class Usual:
    """What features usually are; of signed latents two each, that of positive values and that of negative ones, turned up.

    Attributes:
        mean_f: area mean over all tokens, (features,) float64.
        active_mean_f: the same over where the feature is on; NaN for one that never is.
        p99_f: the least value that 99 % of the area where it is on does not exceed; NaN for one that never is.
    """

    mean_f: np.ndarray
    active_mean_f: np.ndarray
    p99_f: np.ndarray


class UsualSums:
    """Running sums of features over snapshots in the order of time.

    Args:
        area_n: area of each token of a snapshot, (n_tokens,), whole numbers; 0 for padding, which does not count.
        n_latents: latents of the SAE.
        n_snapshots: snapshots that will be added.
        signed: whether negative values are features of their own.
    """

    def __init__(self, area_n: np.ndarray, n_latents: int, n_snapshots: int, signed: bool) -> None:
        self._area_n, self._signed = np.asarray(area_n, np.int64), signed
        n_features = n_latents * (2 if signed else 1)
        self._total_f, self._active_f = np.zeros(n_features), np.zeros(n_features, np.int64)
        self._all = n_snapshots * int(self._area_n.sum())
        self._seen = 0
        # Values below a feature's floor are not among the highest hundredth any more.
        self._floor_f = np.zeros(n_features, np.float32)
        self._kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._n_kept, self._limit = 0, _FIRST

    def add(self, h: np.ndarray | Features, first: int = 0) -> None:
        """Count consecutive tokens of one snapshot.

        Args:
            h: features, (n, n_latents) float32, or those that are on.
            first: place of the first token in the snapshot.
        """
        n, (rows, columns, values) = (len(h.ends) - 1 if isinstance(h, Active) else len(h)), _entries(h)
        token = (first + rows).astype(np.int32)
        self._seen += int(self._area_n[first : first + n].sum())
        is_real = self._area_n[token] > 0
        if not is_real.all():
            token, columns, values = token[is_real], columns[is_real], values[is_real]
        feature = columns.astype(np.int32)
        if self._signed:
            feature, values = 2 * feature + (values < 0), np.abs(values)
        area = self._area_n[token]
        # One after the other, whichever pieces they came in.
        np.add.at(self._total_f, feature, area * values.astype(np.float64))
        np.add.at(self._active_f, feature, area)
        is_high = values >= self._floor_f[feature]
        self._kept.append((feature[is_high], values[is_high], token[is_high]))
        self._n_kept += int(is_high.sum())
        if self._n_kept > self._limit:
            self._drop()

    def usual(self) -> Usual:
        """The statistics of what was added."""
        feature, values, area = self._sorted()
        ends_f = np.searchsorted(feature, np.arange(len(self._total_f) + 1))
        p99_f = np.full(len(self._total_f), np.nan)
        for f, (start, end) in enumerate(itertools.pairwise(ends_f)):
            below = int(self._active_f[f] - area[start:end].sum())
            p99_f[f] = active_p99(values[start:end], area[start:end], below)
        active_mean_f = np.divide(self._total_f, self._active_f, out=np.full(len(p99_f), np.nan), where=self._active_f > 0)
        return Usual(self._total_f / self._seen if self._seen else self._total_f, active_mean_f, p99_f)

    def _sorted(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is kept, by feature and then by value: feature, value, area."""
        if not self._kept:
            return np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.int64)
        feature, values, token = (np.concatenate(parts) for parts in zip(*self._kept, strict=True))
        # Positive floats are in the order of their bits.
        order = np.argsort(feature.astype(np.int64) << 32 | values.astype(np.float32).view(np.int32), kind="stable")
        self._kept = [(feature[order], values[order], token[order])]
        return self._kept[0][0], self._kept[0][1], self._area_n[self._kept[0][2]]

    def _drop(self) -> None:
        """Drop values that have more than a hundredth above them of all the area that a feature may be on for in the end."""
        feature, values, area = self._sorted()
        (_, _, token), held = self._kept[0], np.concatenate([[0], np.cumsum(area)])
        ends_f = np.searchsorted(feature, np.arange(len(self._total_f)), side="right")
        above = held[ends_f][feature] - held[1:]
        most_f = self._active_f + (self._all - self._seen)
        is_high = above <= _ABOVE * most_f[feature]
        high_f, first = np.unique(feature[is_high], return_index=True)
        has_dropped_f = np.isin(high_f, feature[~is_high])
        self._floor_f[high_f[has_dropped_f]] = values[is_high][first][has_dropped_f]
        self._kept = [(feature[is_high], values[is_high], token[is_high])]
        self._n_kept = int(is_high.sum())
        self._limit = max(_FIRST, 2 * self._n_kept)


def _entries(h: np.ndarray | Features) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Token, latent and value of each that is on, token after token."""
    if isinstance(h, Active):
        return h.rows(), h.columns, h.values.numpy()
    h = h if isinstance(h, np.ndarray) else h.cpu().numpy()
    rows, columns = np.nonzero(h)
    return rows, columns, h[rows, columns]
