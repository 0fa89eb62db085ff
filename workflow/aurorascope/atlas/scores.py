"""Scores of features for a label: precision by area, recall by objects, F1, AUROC, average precision.

P(theta) is the share by area, of the tokens at or above theta that count, that are on for the label; R(theta) the share of objects
of which tokens at or above theta hold a tenth of the area; F1 = 2 P R / (P + R). Level pool 0 is all latent levels together,
pool 1 + l level l alone.
"""

from dataclasses import dataclass

import numpy as np

from aurorascope.atlas.counts import Counts
from aurorascope.atlas.sums import best_thresholds


@dataclass(frozen=True)
class Choice:
    """Where each feature is read for a label: what maximises F1 on `select`.

    Attributes:
        pool_f: level pool, int64.
        bin_f: bin of the threshold, int64.
        f1_f: F1 there, 0 for a feature that is never on.
    """

    pool_f: np.ndarray
    bin_f: np.ndarray
    f1_f: np.ndarray


def _of_pool(values_lfb: np.ndarray, pool_f: np.ndarray) -> np.ndarray:
    """Each feature's values in its level pool, (features, bins)."""
    alone = values_lfb[np.maximum(pool_f - 1, 0), np.arange(len(pool_f))]
    return np.where(pool_f[:, None] == 0, values_lfb.sum(axis=0), alone)


def f1_of(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """2 P R / (P + R), 0 where both are 0."""
    total = precision + recall
    return np.divide(2 * precision * recall, total, out=np.zeros_like(total), where=total > 0)


def choose(counts: Counts) -> Choice:
    """The best level pool and threshold of each feature; of equal ones all levels together, and the lowest."""
    n_features = counts.total_lfb.shape[1]
    pool_f, bin_f, f1_f = np.zeros(n_features, np.int64), np.zeros(n_features, np.int64), np.zeros(n_features)
    best_thresholds(counts.area_l2fb, counts.total_lfb, counts.reached_pfb, counts.n_objects, pool_f, bin_f, f1_f)
    return Choice(pool_f, bin_f, f1_f)


def at_choice(counts: Counts, choice: Choice) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """P, R and F1 of each feature where it was chosen to be read, (features,) each."""
    # All are whole numbers below 2^53, and their sums exact.
    is_above_fb = np.arange(counts.total_lfb.shape[2]) >= choice.bin_f[:, None]
    on, off = (np.einsum("fb,fb->f", _of_pool(values_lfb, choice.pool_f), is_above_fb) for values_lfb in (counts.on_lfb, counts.off_lfb))
    reached = counts.reached_pfb[choice.pool_f, np.arange(len(is_above_fb))].sum(axis=1, where=is_above_fb)
    covered = on + off
    precision = np.divide(on, covered, out=np.zeros_like(on), where=covered > 0)
    recall = reached / max(1, counts.n_objects)
    return precision, recall, f1_of(precision, recall)


def ranking(counts: Counts, pool_f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AUROC and average precision of each feature in a level pool, by area; tokens of one bin count as equal.

    AUROC = P(h on > h off) + P(equal) / 2. Average precision is the sum over thresholds of the step in recall by area times
    precision. Tokens where the feature is not on rank last, together. NaN where the label is nowhere or everywhere.
    """
    n_levels, n_features = counts.on_lfb.shape[:2]
    planes = np.where(pool_f == 0, n_levels, 1)
    rank = []
    for values, whole in ((counts.on_lfb, counts.on_area), (counts.off_lfb, counts.off_area)):
        by_pool = _of_pool(values, pool_f)
        # From the highest bin down, what is not on last.
        rest = np.maximum(planes * float(whole) - by_pool.sum(axis=1), 0.0)
        rank.append(np.concatenate([by_pool[:, ::-1], rest[:, None]], axis=1))
    on, off = rank
    with np.errstate(all="ignore"):
        on, off = on / on.sum(axis=1, keepdims=True), off / off.sum(axis=1, keepdims=True)
        auroc = (on * (1 - np.cumsum(off, axis=1) + off / 2)).sum(axis=1)
        weight = counts.on_area / max(1, counts.on_area + counts.off_area)
        above = np.cumsum(on, axis=1) * weight
        covered = above + np.cumsum(off, axis=1) * (1 - weight)
        precision = np.divide(above, covered, out=np.zeros_like(above), where=covered > 0)
        average = (on * precision).sum(axis=1)
    is_defined = counts.on_area > 0 and counts.off_area > 0
    return (auroc, average) if is_defined else (np.full(n_features, np.nan), np.full(n_features, np.nan))
