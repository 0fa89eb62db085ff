"""What a block's page shows, in plain JSON: a table of all features, details of each, and maps of some."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.atlas.naming import CONTROL
from aurorascope.atlas.nulls import DATE_SHIFT, ROTATION
from aurorascope.atlas.read import BlockAtlas
from aurorascope.blocks import BY_ID
from aurorascope.measures.stability.found import SEED_COLUMNS
from aurorascope.pages.read import Names
from aurorascope.pages.script import coded, packed, rounded
from aurorascope.spec import LATENT_LEVELS
from aurorascope.tokens import TokenGrid

# Columns of a page's maps at most; finer token grids are averaged over squares.
_COLUMNS = 180
# A histogram's bars are bytes: 1 is this share of the area, 255 the whole, evenly in the logarithm.
_LEAST_SHARE = 1e-9
_PAIR_NUMBERS = (
    "threshold", "f1_select", "f1_test", "f1_held_out", "precision", "recall", "auroc", "ap", "base_rate",
    *(f"{name}_{kind}" for kind in (ROTATION, DATE_SHIFT) for name in ("p", "q", "z")), "gain", "ranom", "ranom_low", "ranom_high",
)
NEVER_ON = "never on"
_FACTS = (
    "geo_r2", "lock", "lock_expected", "lock_random", "window", "seam", "padding_row", "calendar", "antipode", "antipode_of", "scale_km", "margin",
    *SEED_COLUMNS,
)


@dataclass(frozen=True)
class BlockData:
    """A block's page in parts.

    Attributes:
        table: what the page opens with; columns of all features, in the order of the table of features.
        details: of each feature, in that order.
        maps: by place of the feature in that order.
    """

    table: dict[str, Any]
    details: list[dict[str, Any]]
    maps: dict[int, dict[str, Any]]


def block_data(
    atlas: BlockAtlas, grid: TokenGrid, near: pd.DataFrame, labels: Mapping[str, Names], names: Names, matched: pd.DataFrame | None = None,
) -> BlockData:
    """What a block's page shows.

    Where the gate is not calibrated nothing names a label: neither the table, nor scores, nor what holds at an example, nor
    neighbours.

    Args:
        atlas: the block's.
        grid: of its tokens.
        near: `nearest_features`.
        labels: of the other blocks' features, by block.
        names: that a user gave to this block's.
        matched: of blocks of other stages, `matching.read.matched_elsewhere`.
    """
    features, examples = atlas.tables["features"], atlas.tables["examples"]
    first = examples[examples["rank"] == 0]
    keys = list(zip(features["feature"].tolist(), features["sign"].tolist(), strict=True))
    place = {key: at for at, key in enumerate(keys)}
    at_first = [place[key] for key in zip(first["feature"].tolist(), first["sign"].tolist(), strict=True)]
    strength, level = np.zeros(len(keys)), np.full(len(keys), -1)
    strength[at_first] = first["value"]
    level[at_first] = [LATENT_LEVELS.index(each) for each in first["level"]]
    block = BY_ID[atlas.block_id]
    factor = coarser_by(grid)
    table = {
        "block": block.id, "signed": bool((features["sign"] < 0).any()), "verdict": atlas.verdict, "levels": list(LATENT_LEVELS),
        "n_alive": int(atlas.summary["n_alive"]), "columns": _columns(atlas, strength, level, names, keys),
        "grid": {"lat": rounded(lat_edges(grid, factor), 6), "lon": rounded(lon_edges(grid, factor), 6), "factor": factor},
    }
    labels = labels if atlas.shows_labels else {}
    details = _details(atlas, keys, place, factor)
    _add_others(near, "cosine", "near", place, labels, details)
    if matched is not None:
        _add_others(matched, "correlation", "matched", place, labels, details)
    return BlockData(table, details, _maps(atlas, place, grid, factor))


def _columns(atlas: BlockAtlas, strength: np.ndarray, level: np.ndarray, names: Names, keys: list[tuple[int, int]]) -> dict[str, Any]:
    features = atlas.tables["features"]
    words = {name: features[name].tolist() for name in ("label", "verdict", "reason", "badges")}
    if not atlas.shows_labels:
        words["label"] = [""] * len(features)
        words["verdict"] = words["reason"] = [word if word == NEVER_ON else atlas.verdict for word in words["verdict"]]
    columns: dict[str, Any] = {"feature": [feature for feature, _ in keys], "sign": [sign for _, sign in keys]}
    for name, values in words.items():
        columns[name] = dict(zip(("words", "codes"), coded(values), strict=True))
    if "top_label" in features and atlas.shows_labels:
        columns["top_label"] = dict(zip(("words", "codes"), coded(features["top_label"].tolist()), strict=True))
    columns["name"] = {str(at): names[key] for at, key in enumerate(keys) if names.get(key)}
    columns["density"] = rounded(features["density"])
    columns["strength"] = rounded(strength)
    columns["level"] = level.tolist()
    columns["scale_km"] = rounded(features["scale_km"], 3)
    for name in ("f1_test", "gain"):
        if name in features and atlas.shows_labels:
            columns[name] = rounded(features[name], 3)
    return columns


def _details(atlas: BlockAtlas, keys: list[tuple[int, int]], place: dict[tuple[int, int], int], factor: int) -> list[dict[str, Any]]:
    features, maps = atlas.tables["features"], atlas.tables["maps"]
    facts = {name: rounded(features[name]) for name in _FACTS if name in features}
    details: list[dict[str, Any]] = [
        {"facts": {name: values[at] for name, values in facts.items()}, "pairs": [], "examples": [], "near": []} for at in range(len(keys))
    ]
    if atlas.shows_labels:
        for at, runner_up in enumerate(features["runner_up"]):
            details[at]["runner_up"] = runner_up
        _add_pairs(atlas.tables["labels"], place, details)
    for row in atlas.tables["examples"].itertuples():
        details[place[row.feature, row.sign]]["examples"].append({
            "time": row.time, "level": row.level, "lat": round(row.lat, 2), "lon": round(row.lon, 2),
            "row": row.row // factor, "column": row.column // factor, "value": rounded([row.value])[0],
            "labels": _told(row.labels) if atlas.shows_labels else "",
        })
    for row in maps.itertuples():
        details[place[row.feature, row.sign]]["histogram"] = {
            "edges": rounded([row.edges[1], row.edges[-1]]), "bars": packed(log_heights(row.histogram), 1.0),
        }
    return details


def _add_others(
    others: pd.DataFrame, score: str, key: str, place: dict[tuple[int, int], int], labels: Mapping[str, Names], details: list[dict[str, Any]],
) -> None:
    """Name features of other blocks that are like one, with the score that says so; a feature without any has no such entry but `near`."""
    values = others[score].tolist()
    for row, value in zip(others.itertuples(), values, strict=True):
        for sign in (1, -1):
            if (row.feature, sign) in place:
                # Of two signed blocks the like feature of a negative score is the one of the other sign.
                other = sign if value >= 0 else -sign
                details[place[row.feature, sign]].setdefault(key, []).append({
                    "block": row.block, "feature": row.near, "sign": other, score: round(float(value), 3),
                    "label": labels.get(row.block, {}).get((row.near, other), ""),
                })


def _told(labels: str) -> str:
    """The labels of a place that say something of it: controls do not."""
    return ",".join(label for label in labels.split(",") if not label.startswith(CONTROL))


def _add_pairs(labels: pd.DataFrame, place: dict[tuple[int, int], int], details: list[dict[str, Any]]) -> None:
    numbers = {name: rounded(labels[name], 3) for name in _PAIR_NUMBERS if name in labels}
    words = {name: labels[name].tolist() for name in ("label", "verdict", "level", "baseline")}
    order = np.argsort(-labels["f1_select"].to_numpy(float), kind="stable")
    features, signs = labels["feature"].tolist(), labels["sign"].tolist()
    for at in order.tolist():
        pair = {name: values[at] for name, values in (words | numbers).items()}
        details[place[features[at], signs[at]]]["pairs"].append(pair)


def _maps(atlas: BlockAtlas, place: dict[tuple[int, int], int], grid: TokenGrid, factor: int) -> dict[int, dict[str, Any]]:
    found = {}
    for row in atlas.tables["maps"].dropna(subset="mean").itertuples():
        each: dict[str, Any] = {"time": row.time}
        for name in ("mean", "strongest"):
            map_lyx = coarse(np.asarray(getattr(row, name)).reshape(grid.shape), factor)
            top = float(map_lyx.max())
            each[name] = {"top": rounded([top])[0], "values": packed(map_lyx, top)}
        found[place[row.feature, row.sign]] = each
    return found


def log_heights(share: np.ndarray) -> np.ndarray:
    """Height of a histogram's bars from 0 to 1, even in the logarithm from 1e-9 of the area on; 0 for none."""
    share = np.asarray(share, np.float64)
    return np.where(share > 0, 1 - np.log10(np.clip(share, _LEAST_SHARE, 1)) / np.log10(_LEAST_SHARE), 0.0)


def coarser_by(grid: TokenGrid) -> int:
    """Side of the squares of tokens that a page's maps are averaged over."""
    return max(1, -(-len(grid.lon) // _COLUMNS))


def coarse(map_lyx: np.ndarray, factor: int) -> np.ndarray:
    """Means over squares of tokens, those at the southern and eastern edge of what is left; missing ones are left out, float64."""
    known = ~np.isnan(map_lyx)
    total, n = np.where(known, map_lyx, 0).astype(np.float64), known.astype(np.float64)
    for axis in (-2, -1):
        starts = np.arange(0, map_lyx.shape[axis], factor)
        total, n = np.add.reduceat(total, starts, axis), np.add.reduceat(n, starts, axis)
    return np.divide(total, n, out=np.full(total.shape, np.nan), where=n > 0)


def lat_edges(grid: TokenGrid, factor: int) -> np.ndarray:
    """Edges of a page's rows, degrees north, from the north."""
    return np.append(grid.lat_edges[::factor, 1], grid.lat_edges[-1, 0])


def lon_edges(grid: TokenGrid, factor: int) -> np.ndarray:
    """Edges of a page's columns, degrees east."""
    width = 360.0 / grid.col_cells.sum()
    ends = np.concatenate([[0], np.cumsum(grid.col_cells)]) * width - width / 2
    return np.append(ends[:-1:factor], ends[-1])
