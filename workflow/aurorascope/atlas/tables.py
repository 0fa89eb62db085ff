"""The atlas as tables: a row a feature, a row a pair of feature and label that is worth a look, a row an example."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.atlas.anomalies import correlations
from aurorascope.atlas.badges import (
    Limits,
    antipodes,
    geo_r2,
    is_locked,
    padding_ratio,
    scale_km,
    seam_jump,
    weekday_share,
    window_share,
)
from aurorascope.atlas.decoys import terciles
from aurorascope.atlas.examples import strongest_tokens
from aurorascope.atlas.ids import feature_ids
from aurorascope.atlas.lock import measure_overlaps, pair_dates
from aurorascope.atlas.naming import Name, best_baseline, described, name_features
from aurorascope.atlas.nulls import DATE_SHIFT, ROTATION
from aurorascope.atlas.parts import ON
from aurorascope.atlas.score import Scored
from aurorascope.atlas.token_labels import TokenLabels
from aurorascope.atlas.verdicts import spaced
from aurorascope.spec import LATENT_LEVELS
from aurorascope.tokens import TokenGrid

# A feature's pairs are few; of each label this many of the best are listed, too.
_BEST_OF_LABEL = 20
_RANOM = ("ranom", "ranom_low", "ranom_high")
# Of which maps are in memory.
_FEATURES_AT_ONCE = 64


def names_of(scored: Scored) -> list[Name] | None:
    """What is said of each feature; None where there are too few dates."""
    if scored.labelled is None:
        return None
    return name_features(scored.labelled, scored.labels.ids, scored.density_f, scored.settings)


def features_table(
    scored: Scored, names: list[Name] | None, grid: TokenGrid, W_hd: np.ndarray, signed: bool, limits: Limits
) -> pd.DataFrame:
    """A row a feature: what it covers, its label or why it has none, its best pair, and its badges."""
    n = scored.entries.n_features
    table = feature_ids(n, signed)
    table["density"], table["tercile"] = scored.density_f, terciles(scored.density_f).astype(np.int8)
    reason = scored.splits.reason
    table["verdict"] = reason if names is None else [each.verdict for each in names]
    table["label"] = "" if names is None else [each.label for each in names]
    table["reason"] = reason if names is None else [each.reason for each in names]
    if names is not None:
        pairs = [(feature, name.top) for feature, name in enumerate(names)]
        found = _pairs(scored, pairs).drop(columns=["verdict"]).rename(columns={"label": "top_label"})
        table = pd.concat([table, found], axis=1)
        ids = np.array([*scored.labels.ids, ""])
        table["runner_up"] = ids[[each.runner_up for each in names]]
        table["margin"] = [each.margin for each in names]
    return pd.concat([table, _badges(scored, grid, W_hd, signed, limits)], axis=1)


def labels_table(scored: Scored, names: list[Name] | None, signed: bool) -> pd.DataFrame:
    """A row a pair: each feature's best labels, and each label's best features, by F1 on `select`, where it is above 0."""
    if names is None or scored.labelled is None:
        return pd.concat([feature_ids(0, signed), _pairs(scored, [])], axis=1)
    f1_lf = np.stack([each.f1_f for each in scored.labelled.scores["select"]])
    kept = np.zeros(f1_lf.shape, bool)
    for scores, most, axis in ((f1_lf, scored.settings.labels_kept, 0), (f1_lf, _BEST_OF_LABEL, 1)):
        order = np.argsort(-scores, axis=axis, kind="stable")
        np.put_along_axis(kept, np.take(order, np.arange(min(most, order.shape[axis])), axis=axis), True, axis=axis)
    feature, label = np.nonzero((kept & (f1_lf > 0)).T)
    ids = feature_ids(scored.entries.n_features, signed).iloc[feature].reset_index(drop=True)
    return pd.concat([ids, _pairs(scored, list(zip(feature.tolist(), label.tolist(), strict=True)))], axis=1)


def examples_table(scored: Scored, grid: TokenGrid, signed: bool) -> pd.DataFrame:
    """A row an example: where a feature is strongest, and which labels are on there."""
    feature, snapshot, token, value = strongest_tokens(scored.entries, scored.used, scored.settings.examples)
    level, row, column = np.unravel_index(token, grid.shape)
    plane = token % scored.entries.n_plane
    on = np.stack([_is_on(scored.labels, label, snapshot, plane) for label in range(len(scored.labels.ids))], axis=1)
    ids = np.array(scored.labels.ids)
    first = np.concatenate([[True], feature[1:] != feature[:-1]]) if len(feature) else np.zeros(0, bool)
    start = np.flatnonzero(first)
    rank = np.arange(len(feature)) - np.repeat(start, np.diff([*start, len(feature)]))
    table = feature_ids(scored.entries.n_features, signed).iloc[feature].reset_index(drop=True)
    return table.assign(
        rank=rank.astype(np.int16), time=np.array(scored.labels.times)[snapshot], level=np.array(LATENT_LEVELS)[level],
        row=row.astype(np.int32), column=column.astype(np.int32), lat=grid.lat[row], lon=grid.lon[column],
        value=value.astype(np.float32), labels=[",".join(ids[each]) for each in on],
    )


def _pairs(scored: Scored, pairs: list[tuple[int, int]]) -> pd.DataFrame:
    """Scores of (feature, label); a label of -1 has none."""
    labelled = scored.labelled
    names = _pair_columns(labelled is not None and "held_out" in labelled.scores)
    if labelled is None or not pairs:
        return pd.DataFrame(columns=names)
    feature_i, label_i = np.array(pairs, np.int64).T
    which = np.flatnonzero(label_i >= 0)
    feature, label, levels = feature_i[which], label_i[which], np.array(["all", *LATENT_LEVELS])

    def of(found: Sequence[Any], name: str) -> np.ndarray:
        """One number a pair, of what each label has by feature."""
        return np.stack([getattr(each, name) for each in found])[label, feature]

    choices, test = labelled.choices, labelled.scores["test"]
    base = np.array([each.base for each in test])[label]
    average = of(test, "average_f")
    columns: dict[str, Any] = {
        "verdict": labelled.verdict_lf[label, feature],
        "level": levels[of(choices, "pool_f")],
        "threshold": scored.bins.thresholds(feature, of(choices, "bin_f")) * scored.entries.scale,
        "f1_select": of(choices, "f1_f"), "f1_test": of(test, "f1_f"),
        "precision": of(test, "precision_f"), "recall": of(test, "recall_f"),
        "auroc": of(test, "auroc_f"), "ap": average, "base_rate": base,
        "lift": np.divide(average, base, out=np.full(len(base), np.nan), where=base > 0),
    }
    if "held_out" in labelled.scores:
        held_out = labelled.scores["held_out"]
        there = np.array([each.n_objects for each in held_out])[label] > 0
        columns["f1_held_out"] = np.where(there, of(held_out, "f1_f"), np.nan)
    for kind in (ROTATION, DATE_SHIFT):
        for name in ("p", "q", "z"):
            known = labelled.compared.get(kind)
            columns[f"{name}_{kind}"] = getattr(known, f"{name}_lf")[label, feature] if known else np.nan
    best = np.array([described(best_baseline(found)) if found else "" for found in labelled.baselines], object)
    columns |= {"gain": labelled.gain_lf[label, feature], "baseline": best[label]}
    columns |= dict(zip(_RANOM, correlations(scored.anomalies, feature, label, scored.settings), strict=True))
    table = pd.DataFrame(columns, index=which).reindex(range(len(pairs)))
    # A pair without a label has no number.
    table["label"] = np.array([*scored.labels.ids, ""], object)[label_i]
    return table[names]


def _is_on(labels: TokenLabels, label: int, snapshot_i: np.ndarray, token_i: np.ndarray) -> np.ndarray:
    """Whether a label is on at some tokens of the plane, each of its own snapshot."""
    places, at = np.unique(snapshot_i, return_inverse=True)
    parts, counts = labels.parts(label, places)
    key = np.repeat(np.arange(len(places)) * labels.plane.n, counts) + parts.token
    return np.isin(at * labels.plane.n + token_i, key[parts.kind == ON])


def _pair_columns(has_held_out: bool) -> list[str]:
    kinds = [f"{name}_{kind}" for kind in (ROTATION, DATE_SHIFT) for name in ("p", "q", "z")]
    return [
        "label", "verdict", "level", "threshold", "f1_select", "f1_test", "precision", "recall", "auroc", "ap", "base_rate", "lift",
        *(["f1_held_out"] if has_held_out else []), *kinds, "gain", "baseline", *_RANOM,
    ]


def _some(n: int) -> list[slice]:
    return [slice(first, first + _FEATURES_AT_ONCE) for first in range(0, n, _FEATURES_AT_ONCE)]


def _map_badges(mean_nf: np.ndarray, grid: TokenGrid) -> pd.DataFrame:
    mean_fn = np.ascontiguousarray(mean_nf.T)
    return pd.DataFrame({
        "window": window_share(mean_fn, grid.shape),
        "seam": seam_jump(mean_fn, grid.shape),
        "padding_row": padding_ratio(mean_fn, grid),
    })


def _badges(scored: Scored, grid: TokenGrid, W_hd: np.ndarray, signed: bool, limits: Limits) -> pd.DataFrame:
    sums, n = scored.anomalies, scored.entries.n_features
    of_map = pd.concat([_map_badges(sums.mean_nf[:, at], grid) for at in _some(n)], ignore_index=True)
    cosine, which = antipodes(W_hd)
    latent = np.arange(n) // 2 if signed else np.arange(n)
    alive = np.flatnonzero(scored.density_f > 0)
    scale = np.full(n, np.nan)
    scale[alive] = scale_km(scored.entries, spaced(scored.used, scored.settings.scale_snapshots), grid, alive)
    times = [scored.labels.times[place] for place in scored.used]
    overlaps = measure_overlaps(scored.entries, scored.used, pair_dates(times, scored.settings.lock_pairs, scored.settings.seed))
    table = pd.DataFrame({
        "geo_r2": geo_r2(sums.within_f, sums.between_f, sums.n),
        "lock": overlaps.lock, "lock_expected": overlaps.expected, "lock_random": overlaps.random,
        **{name: of_map[name] for name in of_map},
        "calendar": weekday_share(scored.mean_sf, times),
        "antipode": cosine[latent].astype(np.float64),
        "antipode_of": which[latent].astype(np.int32),
        "scale_km": scale,
    })
    ratio = table["padding_row"]
    marks = {
        "dense": scored.density_f > limits.dense,
        "geo": table["geo_r2"] > limits.geo_r2,
        "lock": is_locked(overlaps.lock, overlaps.random, limits.lock),
        "window": table["window"] > limits.window,
        "seam": table["seam"] > limits.seam,
        "padding_row": (ratio > limits.padding_row) | (ratio < 1 / limits.padding_row),
        "calendar": table["calendar"] > limits.calendar,
        "antipode": table["antipode"] <= limits.antipode,
    }
    has = np.stack([np.asarray(mark, bool) for mark in marks.values()], axis=1)
    words = np.array(list(marks))
    table["badges"] = [",".join(words[each]) for each in has]
    return table
