"""What a feature must beat to be worth a name: one variable above or below a threshold, the label's climatology, and directions.

Each competitor is read as a feature is: the threshold (and level pool) with the highest F1 on `select`, reported on `test`. A
variable enters by its rank, so that thresholds are even in the share of the globe that lies beyond them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from aurorascope.atlas.entries import Entries
from aurorascope.atlas.scratch import Spool
from aurorascope.atlas.splits import days_of
from aurorascope.atlas.token_labels import TokenLabels

# Largest score of a rank: tails down to 2^-16 of the globe are told apart.
_LARGEST = 2.0**8
_QUANTILES = 1 << 16
# Dates of the year that a season's climatology is of, either way, and blocks that must lie in it.
_SEASON_DAYS, _SEASON_BLOCKS, _YEAR = 60, 3, 365.25


@dataclass(frozen=True)
class Variables:
    """Input variables on the tokens of a block.

    Attributes:
        names: of the variables.
        value_tvp: (times, variables, tokens of the plane) float32.
    """

    names: Sequence[str]
    value_tvp: np.ndarray


@dataclass(frozen=True)
class Baseline:
    """The best of one kind of competitor for one label.

    Attributes:
        kind: "variable", "climatology", "pca" or "diff_mean".
        name: which of them.
        f1_select: F1 on `select`.
        f1_test: F1 on `test`, at the same threshold.
    """

    kind: str
    name: str
    f1_select: float
    f1_test: float


def rank_scores(value_tp: np.ndarray, select: np.ndarray) -> np.ndarray:
    """Scores of a variable by how rare a value is on `select`: (high and low, times, tokens) float32.

    1 / sqrt(share of tokens that are at least as high), then as low, at most 2^8: a threshold on it is one on the variable.
    """
    sorted_ = np.sort(value_tp[select], axis=None)
    if len(sorted_) > _QUANTILES:
        sorted_ = sorted_[np.linspace(0, len(sorted_) - 1, _QUANTILES).round().astype(np.int64)]
    n = len(sorted_)
    counts = n - np.searchsorted(sorted_, value_tp, "left"), np.searchsorted(sorted_, value_tp, "right")
    return np.stack([np.minimum(_LARGEST, (n / np.maximum(count, 1)) ** 0.5).astype(np.float32) for count in counts])


def climatology(
    labels: TokenLabels, label: int, times: np.ndarray, select: np.ndarray, block: np.ndarray
) -> tuple[np.ndarray, str]:
    """Mean share of each token that has a label, over `select`'s other blocks: (times, tokens) float32, and the rule.

    Where every date has three blocks of `select` within 60 dates of the year, of those alone ("season"); else of all
    ("all dates").

    Args:
        labels: the labels.
        label: which.
        times: places of the snapshots asked for.
        select: places of those that choose.
        block: (labels' times,) block of dates of each.
    """
    held_sp = np.stack([_held(labels, label, int(place)) for place in select])
    days = days_of(labels.times)
    apart = np.abs(days[times][:, None] - days[select][None, :]) % _YEAR
    is_other = block[times][:, None] != block[select][None, :]
    is_near = is_other & (np.minimum(apart, _YEAR - apart) <= _SEASON_DAYS)
    n_near = [len(np.unique(block[select][near])) for near in is_near]
    # A date of `select` has lost its own block.
    is_season = all(n + (not other.all()) >= _SEASON_BLOCKS for n, other in zip(n_near, is_other, strict=True))
    weight_ts = (is_near if is_season else is_other).astype(np.float64)
    # Sums of whole areas, exact.
    whole = weight_ts.sum(axis=1)[:, None] * labels.plane.area_p
    share = np.divide(weight_ts @ held_sp, whole, out=np.zeros(whole.shape), where=whole > 0)
    return share.astype(np.float32), "season" if is_season else "all dates"


def _held(labels: TokenLabels, label: int, place: int) -> np.ndarray:
    """Area with the label in each token of the plane at one time, (tokens,) float64."""
    parts, _ = labels.parts(label, np.array([place]))
    return np.bincount(parts.token, parts.area, labels.plane.n)


def plane_entries(
    labels: TokenLabels, times: np.ndarray, select: np.ndarray, block: np.ndarray, variables: Variables | None, entries: Entries,
    folder: Path,
) -> str:
    """Fill entries of one level with each label's climatology, and then both scores of each variable; returns the rule.

    Args:
        labels: the labels.
        times: places of all snapshots that are asked for, which are those of their entries, too.
        select: places of those that choose.
        block: block of dates of each of the labels' times.
        variables: on the labels' times; None for none.
        entries: of labels + 2 variables features, one level.
        folder: for scratch files.
    """
    spool, rule, inside = Spool(folder, np.float32), "none", np.flatnonzero(np.isin(times, select))
    for label in range(len(labels.ids)):
        share_tp, rule = climatology(labels, label, times, select, block)
        spool.append(share_tp.reshape(-1))
    for place in range(0 if variables is None else len(variables.names)):
        spool.append(rank_scores(np.asarray(variables.value_tvp[times, place]), inside).reshape(-1))
    scores_ftp = spool.array().reshape(-1, len(times), labels.plane.n)
    for at, place in enumerate(times.tolist()):
        entries.add_features(place, [torch.from_numpy(np.array(scores_ftp[:, at].T, order="C"))], signed=False)
    return rule


def best_of(kind: str, names: Sequence[str], f1_select: np.ndarray, f1_test: np.ndarray) -> Baseline:
    """The competitor with the highest F1 on `select`."""
    best = int(f1_select.argmax())
    return Baseline(kind, names[best], float(f1_select[best]), float(f1_test[best]))
