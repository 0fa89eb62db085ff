"""What is left of features and fields when the mean at each position is taken off, from one pass over tiles of tokens.

`ranom` = sum w a_h a_f / sqrt(sum w a_h^2 sum w a_f^2), with a the value minus its position's mean over the split's dates and w the
area. Dates of one block are resampled together for its interval. Tiles, snapshots and blocks are summed in fixed order.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from aurorascope.atlas.entries import Entries, Rows
from aurorascope.atlas.scratch import Spool
from aurorascope.atlas.settings import AtlasSettings
from aurorascope.streams import Stream, generator

_TILE = 1 << 21
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Anomalies:
    """Sums over one split, by block of dates.

    Attributes:
        cross_bfl: (blocks, features, labels) sum w a_h a_f.
        field_bl: (blocks, labels) sum w a_f^2.
        feature_bfl: (blocks, features, labels) sum w a_h^2 where the label has a field.
        mean_nf: (tokens, features) float32, mean of each feature at each token, in a file.
        within_f: (features,) sum over dates of w a_h^2.
        between_f: (features,) the same of w (position mean - mean)^2.
        n: dates of the split.
    """

    cross_bfl: np.ndarray
    field_bl: np.ndarray
    feature_bfl: np.ndarray
    mean_nf: np.ndarray
    within_f: np.ndarray
    between_f: np.ndarray
    n: int


def sum_anomalies(
    entries: Entries, snapshots: np.ndarray, block: np.ndarray, field_slp: np.ndarray, area_p: np.ndarray, folder: Path
) -> Anomalies:
    """Sums of one split.

    Args:
        entries: of the features.
        snapshots: places of the split's snapshots, ascending.
        block: block of dates of each, from 0.
        field_slp: (snapshots, labels, tokens of the plane); a position with a NaN is left out for that label.
        area_p: (tokens of the plane,) weights.
        folder: for scratch files.
    """
    n_blocks, n, n_features, n_labels = int(block.max()) + 1, len(snapshots), entries.n_features, field_slp.shape[1]
    tile = max(1, _TILE // n_features)
    weight_p = area_p / area_p.sum() / entries.n_levels
    cross, feature = (np.zeros((n_blocks, n_features, n_labels)) for _ in range(2))
    field = np.zeros((n_blocks, n_labels))
    means = Spool(folder, np.float32)
    within, total, square, size = (np.zeros(n_features) for _ in range(4))
    per_block = np.bincount(block, minlength=n_blocks)
    for level in range(entries.n_levels):
        for first in range(0, entries.n_plane, tile):
            at = slice(first, min(first + tile, entries.n_plane))
            w_t = weight_p[at]
            a_slt, is_known_lt = _field_anomalies(field_slp[:, :, at])
            wf_slt = a_slt * w_t
            if level == 0:
                np.add.at(field, block, (wf_slt * a_slt).sum(axis=2) * entries.n_levels)
            rows_s = _rows(entries, snapshots, level, at)
            sum_tf = np.zeros((at.stop - at.start, n_features))
            for rows in rows_s:
                sum_tf.reshape(-1)[_keys(rows, n_features)] += rows.value
            mean_tf = sum_tf / n
            means.append(mean_tf.astype(np.float32).reshape(-1))
            square_f = np.einsum("t,tf->f", w_t, mean_tf**2)
            total += np.einsum("t,tf->f", w_t, mean_tf)
            square += square_f
            known_tl = None if is_known_lt.all() else (is_known_lt * w_t).T
            known_fl = square_f[:, None] if known_tl is None else (mean_tf**2).T @ known_tl
            for place, rows in enumerate(rows_s):
                number, h = block[place], rows.value.astype(np.float64)
                # (h - m)^2 = m^2 + h (h - 2 m), of which the second is nothing where h is.
                change = h * (h - 2 * mean_tf.reshape(-1)[_keys(rows, n_features)])
                w_e = np.repeat(w_t, np.diff(rows.ends))
                alone_f = np.bincount(rows.feature, w_e * change, n_features)
                size += np.bincount(rows.feature, w_e * h * h, n_features)
                within += alone_f
                feature[number] += alone_f[:, None] if known_tl is None else _product(rows, change, n_features, known_tl)
                cross[number] += _product(rows, h, n_features, wf_slt[place].T)
            within += n * square_f
            feature += per_block[:, None, None] * known_fl
            by_block_tbl = np.stack([wf_slt[block == number].sum(axis=0).T for number in range(n_blocks)], axis=1)
            cross -= (mean_tf.T @ by_block_tbl.reshape(len(w_t), -1)).reshape(n_features, n_blocks, n_labels).transpose(1, 0, 2)
    # Differences of sums round; a feature whose anomalies are that small never changes at any place.
    is_constant = within <= _ROUNDING * size
    feature, within = np.where(is_constant[:, None], 0.0, np.maximum(feature, 0.0)), np.where(is_constant, 0.0, within)
    mean_nf = means.array().reshape(entries.n_tokens, n_features)
    between = n * (square - total**2)
    return Anomalies(cross, field, feature, mean_nf, within, np.where(between <= _ROUNDING * size, 0.0, between), n)


def _field_anomalies(field_slt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Field minus its mean over snapshots, zeros where it is missing at any time; and where it is not, (labels, tokens)."""
    field = np.asarray(field_slt, np.float64)
    is_known = ~np.isnan(field).any(axis=0)
    field = np.where(is_known, field, 0.0)
    # A mean rounds; what never changes has no anomaly.
    changes = field.max(axis=0) > field.min(axis=0)
    return np.where(changes, field - field.mean(axis=0), 0.0), is_known.astype(np.float64)


def _rows(entries: Entries, snapshots: np.ndarray, level: int, at: slice) -> list[Rows]:
    """The entries of some tokens of one level, snapshot by snapshot."""
    return [entries.rows(int(snapshot), level * entries.n_plane + at.start, level * entries.n_plane + at.stop) for snapshot in snapshots]


def _keys(rows: Rows, n_features: int) -> np.ndarray:
    """Place of each entry among tokens x features."""
    return np.repeat(np.arange(len(rows.ends) - 1) * n_features, np.diff(rows.ends)) + rows.feature


def _product(rows: Rows, values: np.ndarray, n_features: int, weight_tl: np.ndarray) -> np.ndarray:
    """Sum over tokens of a value of each entry times its token's weights, (features, labels)."""
    return csr_matrix((values, rows.feature.astype(np.int32), rows.ends), shape=(len(weight_tl), n_features)).T @ weight_tl


def correlations(
    sums: Anomalies, feature_i: np.ndarray, label_i: np.ndarray, settings: AtlasSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`ranom` of some pairs, and the ends of its 95 % interval from blocks drawn again with return, (pairs,) each; NaN if undefined."""
    n_blocks = len(sums.field_bl)
    rng = generator(Stream.ATLAS_BOOTSTRAP, settings.seed)
    times_rb = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), settings.resamples).astype(np.float64)
    value, low, high = (np.full(len(feature_i), np.nan) for _ in range(3))
    step = max(1, _TILE // settings.resamples)
    for first in range(0, len(feature_i), step):
        at = slice(first, first + step)
        parts = sums.cross_bfl[:, feature_i[at], label_i[at]], sums.feature_bfl[:, feature_i[at], label_i[at]], sums.field_bl[:, label_i[at]]
        value[at] = _correlation(*(part_bi.sum(axis=0) for part_bi in parts))
        drawn = _correlation(*(np.einsum("rb,bi->ri", times_rb, part_bi) for part_bi in parts))
        is_defined = ~np.isnan(drawn).any(axis=0)
        ends = np.quantile(np.nan_to_num(drawn), (0.025, 0.975), axis=0)
        low[at], high[at] = (np.where(is_defined, end, np.nan) for end in ends)
    return value, low, high


def _correlation(cross: np.ndarray, feature: np.ndarray, field: np.ndarray) -> np.ndarray:
    product = feature * field
    return np.divide(cross, np.sqrt(product), out=np.full(cross.shape, np.nan), where=product > 0)
