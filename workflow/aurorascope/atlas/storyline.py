"""What becomes of labels and of spatial scales through the depth of the model, from the atlases of all blocks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.blocks import BY_ID
from aurorascope.sphere import RADIUS_M

_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def storyline_rows(block_id: str, summary: Mapping[str, Any], features: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """A row for each label in one block: the feature that scores best on the dates that choose, and its score on the others.

    A feature with the best score of many on the test dates owes some of it to chance, so none is chosen by them. Of equal ones
    the lower number is taken.

    Args:
        block_id: the block.
        summary: of its atlas.
        features: its table of features.
        labels: its table of labels, which has each label's best features.

    Returns:
        Columns block, depth, label, status, base_rate, f1_of_base_rate, feature and sign (-1 and 0 where no feature scores above 0),
        f1_select, f1_test, gain, verdict (of the pair), n_labelled (features with the label), gate (the block's verdict).
    """
    n_labelled = features["label"].value_counts()
    # Best first, of both signs the positive, as whole columns: a frame a label would take far longer.
    order = np.lexsort([-labels["sign"], labels["feature"], -labels["f1_select"].to_numpy(np.float64)])
    columns = {name: labels[name].to_numpy() for name in ("label", *_OF_BEST)}
    best: dict[str, int] = {}
    for at in order.tolist():
        best.setdefault(columns["label"][at], at)
    rows = []
    for label in summary.get("labels", ()):
        row = {
            "block": block_id, "depth": BY_ID[block_id].depth_index, "label": label["id"], "status": label["status"],
            "base_rate": label["base_rate"]["test"], "f1_of_base_rate": label["f1_of_base_rate"], "feature": -1, "sign": 0,
            "f1_select": 0.0, "f1_test": np.nan, "gain": np.nan, "verdict": "", "n_labelled": int(n_labelled.get(label["id"], 0)),
            "gate": summary["verdict"],
        }
        if label["id"] in best:
            row |= {name: columns[name][best[label["id"]]] for name in _OF_BEST}
        rows.append(row)
    return pd.DataFrame(rows, columns=_COLUMNS).astype(_TYPES)


_OF_BEST = ("feature", "sign", "f1_select", "f1_test", "gain", "verdict")
_COLUMNS = [
    "block", "depth", "label", "status", "base_rate", "f1_of_base_rate", "feature", "sign", "f1_select", "f1_test", "gain", "verdict",
    "n_labelled", "gate",
]
# Of a table without rows, too.
_NUMBERS = ("base_rate", "f1_of_base_rate", "f1_select", "f1_test", "gain")
_TYPES = {"feature": np.int32, "sign": np.int8, "depth": np.int16, "n_labelled": np.int32, **dict.fromkeys(_NUMBERS, np.float64)}


def scale_row(block_id: str, features: pd.DataFrame, n_columns: int) -> dict[str, Any]:
    """How the spatial scale of one block's features is distributed.

    Args:
        block_id: the block.
        features: its table of features.
        n_columns: tokens along a circle of latitude, below whose width at the equator no scale can be told.

    Returns:
        block, depth, token_km, n (features with a scale), n_on (features that are on), km_10, km_25, km_50, km_75 and km_90: quantiles,
        NaN where there is none.
    """
    scale = features["scale_km"].dropna().to_numpy(np.float64)
    quantiles = np.quantile(scale, _QUANTILES) if len(scale) else np.full(len(_QUANTILES), np.nan)
    return {
        "block": block_id, "depth": BY_ID[block_id].depth_index, "token_km": 2 * np.pi * RADIUS_M / 1000 / n_columns, "n": len(scale),
        "n_on": int((features["density"] > 0).sum()),
        **{f"km_{round(100 * share)}": float(value) for share, value in zip(_QUANTILES, quantiles, strict=True)},
    }
