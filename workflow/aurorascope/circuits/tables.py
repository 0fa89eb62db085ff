"""Tables of a circuit: nodes, edges, and the outcome's values, from what was measured of each date."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from aurorascope.circuits.circuit_file import Halves
from aurorascope.circuits.draws import Draws, partition_role
from aurorascope.circuits.others import Use
from aurorascope.circuits.pairs import pairs_of
from aurorascope.circuits.trace import Arrays, Key, edge_key
from aurorascope.sae.feature_ids import FeatureId

CIRCUIT = "circuit"
FEATURE, ERROR, ALL = "feature", "error", "all"
"""Kinds of nodes; `all` is a later block's features and its error together."""


def node_table(
    measured: Mapping[Key, Arrays], dates: Sequence[str], halves: Halves | None, draws: Draws, uses: Mapping[str, Mapping[FeatureId, Use]]
) -> pd.DataFrame:
    """Nodes and their stand-ins.

    Returns:
        Columns role (circuit, set_<n>, random_<n>), block, kind (feature, error), feature, sign, density, size, and of the circuit's nodes effect,
        effect_a and effect_b: means over all dates and over those of each half.
    """
    rows = []
    for role, part in draws.roles().items():
        for block, ids in part.items():
            effects = _means(measured, "effects", block, dates, halves) if role == CIRCUIT else None
            for at, each in enumerate(ids):
                use = uses[block][each]
                numbers = _columns(effects, at)
                rows.append({"role": role, "block": block, "kind": FEATURE, "feature": each[0], "sign": each[1], "density": use.density, "size": use.size, **numbers})
            if role == CIRCUIT:
                rows.append({"role": role, "block": block, "kind": ERROR, "feature": None, "sign": None, "density": np.nan, "size": np.nan, **_columns(effects, len(ids))})
    return pd.DataFrame(rows).astype({"feature": "Int64", "sign": "Int64"})


def edge_table(measured: Mapping[Key, Arrays], dates: Sequence[str], halves: Halves | None, draws: Draws) -> pd.DataFrame:
    """Edges of the circuit and of random features.

    Returns:
        Columns role (circuit, random_<n>), first, first_kind, first_feature, first_sign, later, later_kind, later_feature, later_sign; effect,
        effect_a and effect_b in units of the outcome, means over all dates and over those of each half; influence, NaN where it is not measured.
    """
    parts = {CIRCUIT: draws.nodes} | {partition_role(at): part for at, part in enumerate(draws.partitions)}
    rows = []
    for role, part in parts.items():
        for first, later in pairs_of(list(part)):
            key = edge_key(first, later)
            means = _means(measured, key, "features" if role == CIRCUIT else role, dates, halves)
            ends = _ends(part[first], role == CIRCUIT)
            influence = _means(measured, key, "influences", dates, None)[0] if role == CIRCUIT else None
            for at, each in enumerate(part[later]):
                strength = np.append(influence[at], np.nan) if role == CIRCUIT else np.full(len(ends), np.nan)
                rows += _rows(role, first, ends, later, (FEATURE, *each), [None if mean is None else mean[at] for mean in means], strength)
            for kind in (ERROR, ALL) if role == CIRCUIT else ():
                means = _means(measured, key, "error" if kind == ERROR else "through", dates, halves)
                rows += _rows(role, first, ends, later, (kind, None, None), means, np.full(len(ends), np.nan))
    names = ("first_feature", "first_sign", "later_feature", "later_sign")
    return pd.DataFrame(rows, columns=_EDGE_COLUMNS).astype(dict.fromkeys(names, "Int64"))


_EDGE_COLUMNS = (
    "role", "first", "first_kind", "first_feature", "first_sign", "later", "later_kind", "later_feature", "later_sign", "effect", "effect_a",
    "effect_b", "influence",
)


def value_table(measured: Mapping[Key, Arrays]) -> pd.DataFrame:
    """The outcome's value in each run of each date, columns date, run, y; and `rounding` of the clean one, NaN elsewhere."""
    rows = [
        {"date": date, "run": name.removeprefix("values_"), "y": float(arrays["y"][0]), "rounding": float(arrays.get("rounding", [np.nan])[0])}
        for (date, name), arrays in measured.items() if name.startswith("values_")
    ]
    return pd.DataFrame(rows)


def _ends(ids: Sequence[FeatureId], has_error: bool) -> list[tuple]:
    return [(FEATURE, *each) for each in ids] + ([(ERROR, None, None)] if has_error else [])


def _rows(role: str, first: str, ends: list[tuple], later: str, end: tuple, means: Sequence[np.ndarray | None], influence: np.ndarray) -> list[tuple]:
    return [
        (role, first, *begin, later, *end, *(np.nan if mean is None else float(mean[at]) for mean in means), float(influence[at]))
        for at, begin in enumerate(ends)
    ]


def _means(measured: Mapping[Key, Arrays], name: str, part: str, dates: Sequence[str], halves: Halves | None) -> list[np.ndarray | None]:
    """Mean over all dates, and over those of each half, in the order of dates."""
    groups = [dates, *(halves or (None, None))]
    return [None if group is None else sum(measured[date, name][part] for date in sorted(group)) / len(group) for group in groups]


def _columns(effects: Sequence[np.ndarray | None] | None, at: int) -> dict[str, float]:
    names = ("effect", "effect_a", "effect_b")
    return {name: np.nan if effects is None or mean is None else float(mean[at]) for name, mean in zip(names, effects or (None,) * 3, strict=True)}
