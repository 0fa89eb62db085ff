"""What a circuit's tables say of it: faithfulness and completeness, whether its edges replicate, and the word."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.circuits.agreement import Agreement, agreement, replication
from aurorascope.circuits.faithfulness import CLEAN, ERRORS, faithfulness, mean_values
from aurorascope.circuits.tables import CIRCUIT, FEATURE
from aurorascope.circuits.verdict import word_of


def judge(edges: pd.DataFrame, values: pd.DataFrame, n_sets: int, n_partitions: int) -> dict[str, Any]:
    """The judged part of a record, from the tables beside it.

    Args:
        edges: see `tables.edge_table`.
        values: see `tables.value_table`.
        n_sets: matched sets.
        n_partitions: draws of random features.
    """
    by_date = {date: dict(zip(part.run, part.y.astype(float), strict=True)) for date, part in values.groupby("date")}
    rounding = values.loc[values.run == CLEAN, "rounding"].to_numpy(np.float64)
    y = mean_values(by_date)
    faithful = {errors: faithfulness(y, errors, float(rounding.sum() / len(rounding)), n_sets) for errors in ERRORS}
    parts = dict(list(edges.groupby("role", sort=False)))
    random = [_agreement(parts[name]) for name in sorted(parts) if name != CIRCUIT]
    found = replication(_agreement(parts[CIRCUIT]) if CIRCUIT in parts else None, [each for each in random if each is not None])
    word, against = word_of(faithful, found)
    return {"word": word, "against": against, "y": {run: y[run] for run in sorted(y)}, "faithfulness": faithful, "replication": found}


def _agreement(edges: pd.DataFrame) -> Agreement | None:
    """Of edges between features, those to and from errors left out; None where there are no halves."""
    between = edges[(edges.first_kind == FEATURE) & (edges.later_kind == FEATURE)]
    first_e, second_e = (between[name].to_numpy(np.float64) for name in ("effect_a", "effect_b"))
    return None if np.isnan(first_e).any() else agreement(first_e, second_e)


def pair_facts(edges: pd.DataFrame) -> list[Mapping[str, Any]]:
    """Of each pair of blocks, what its edges amount to, sums over the earlier block's features.

    Returns:
        Of each pair `first`, `later`; `through`, the sum of the sizes of effects through all of the later block; `nodes`, the size of the part
        through nodes by the same sum; `n_negative`, edges whose feature holds the later one down; and their agreement between the halves.
    """
    circuit, found = edges[(edges.role == CIRCUIT) & (edges.first_kind == FEATURE)], []
    for (first, later), part in circuit.groupby(["first", "later"], sort=False):
        features = part[part.later_kind == FEATURE]
        same = _agreement(features) if len(features) else None
        found.append({
            "first": first, "later": later, "n_edges": int((features.effect != 0).sum()), "n_negative": int((features.influence < 0).sum()),
            "through": _size(part[part.later_kind == "all"]), "error": _size(part[part.later_kind == "error"]),
            "nodes": _size(features), "rho": same.rho if same else None, "same_sign": same.same_sign if same else None,
        })
    return found


def _size(edges: pd.DataFrame) -> float:
    """Sum over the earlier block's features of the size of the sum of their edges."""
    sums = edges.groupby(["first_feature", "first_sign"], sort=True).effect.sum()
    return float(np.abs(sums.to_numpy(np.float64)).sum())
