"""Which features of a released SAE other seeds found, too: columns that join an atlas's table of features when it is read.

They are no part of the atlas. Stability is measured on few blocks and costs trainings; an atlas that held its results would wait for
them, and would have to be scored again whenever they came later. Both records name the SAE that they are of.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from aurorascope.measures.stability.formulas import ALIKE

if TYPE_CHECKING:
    import pandas as pd

KIND = "stability"
SEED_COLUMNS = ("seed_match", "seeds_matched", "seeds_compared")
BADGE = "seed_match"


def table_of(record_path: str) -> str:
    """Path of the table of matches that lies beside a record."""
    return f"{record_path.rpartition('/')[0]}/matches.parquet"


def with_seeds(features: "pd.DataFrame", comparison: "tuple[Mapping[str, Any], pd.DataFrame] | None") -> "pd.DataFrame":
    """An atlas's table of features with `SEED_COLUMNS`, and the badge where every other seed has the feature.

    `seed_match` is the largest cosine between a feature's direction and those that it is matched with, one of each other seed at most;
    `seeds_matched` is in how many of `seeds_compared` seeds that cosine exceeds 0.7, as in `share_matched`. A feature that is on
    for no held-out token has no match. Both signs of a latent have one direction, and the same numbers.

    Args:
        features: of an atlas, with columns feature and badges.
        comparison: record and table of matches, of the same SAE; None where the block has none. The columns, float64, are then NaN, as
            they are where there were too many features to match.
    """
    if comparison is None or not len(comparison[1]):
        return features.assign(**dict.fromkeys(SEED_COLUMNS, np.nan))
    record, matches = comparison
    released, *others = record["seeds"]
    mine = matches[matches["seed_a"] == released]
    best = mine.groupby("feature_a")["cosine"].max()
    n_alike = mine[mine["cosine"] > ALIKE].groupby("feature_a").size()
    n_matched = features["feature"].map(n_alike).fillna(0).astype(np.float64)
    badges = features["badges"].where(n_matched < len(others), features["badges"].map(lambda words: ",".join(filter(None, (words, BADGE)))))
    return features.assign(
        badges=badges, seed_match=features["feature"].map(best).astype(np.float64), seeds_matched=n_matched, seeds_compared=float(len(others))
    )
