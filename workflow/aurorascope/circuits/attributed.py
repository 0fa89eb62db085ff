"""What a circuit reads of attributions: which features of each block are its nodes, and how much all features are used."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from aurorascope.attribution.claim import KIND
from aurorascope.attribution.judged import check_attribution
from aurorascope.circuits.circuit_file import CircuitFile
from aurorascope.circuits.needs import CircuitNeeds
from aurorascope.circuits.nodes import Chosen, choose_nodes, likeness
from aurorascope.circuits.others import Use
from aurorascope.files import check_file
from aurorascope.sae.feature_ids import FeatureId


@dataclass(frozen=True, eq=False)
class Attributed:
    """One block's attribution, as a circuit needs it.

    Attributes:
        chosen: its nodes.
        like: how alike the nodes are that each half of the dates alone would give, `nodes.likeness`; None where there are no halves.
        uses: of features that are on somewhere on the dates, or have an effect.
        n_features: features of the block.
        absolute: sum over all features of the size of their effects.
    """

    chosen: Chosen
    like: float | None
    uses: Mapping[FeatureId, Use]
    n_features: int
    absolute: float


def read_attributed(file: CircuitFile, needs: CircuitNeeds, digests: Mapping[str, str], results: Path) -> dict[str, Attributed]:
    """Nodes and uses by block id.

    Args:
        file: of the circuit.
        needs: what it reads.
        digests: of each block's table.
        results: the results folder.

    Raises:
        UserError: a table is missing or damaged, or its record says other than it.
    """
    found = {}
    for block in file.blocks:
        record = KIND.where(results, outcome=needs.outcome.name, block=block)
        check_file(record.with_suffix(".parquet"), digests[block], record)
        found[block] = attributed(check_attribution(record), file.share, file.most, needs)
    return found


def attributed(table: pd.DataFrame, share: float, most: int, needs: CircuitNeeds) -> Attributed:
    """From a block's table, see `attribution.record.table_of`."""
    ids: list[FeatureId] = list(zip(table.feature.tolist(), table.sign.tolist(), strict=True))
    by_date_fd = np.stack(table.effect_by_date.to_list()).astype(np.float64)
    chosen = choose_nodes(dict(zip(ids, table.effect.tolist(), strict=True)), share, most)
    halves = []
    for half in needs.halves or ():
        places = [needs.of_outcome.dates.index(date) for date in half]
        effects = by_date_fd[:, places].sum(axis=1) / len(places)
        halves.append(choose_nodes(dict(zip(ids, effects.tolist(), strict=True)), share, most).ids)
    size = np.where(table.n_active > 0, table.density * table.active_mean.fillna(0.0), 0.0)
    is_used = (table.n_active > 0) | (table.effect != 0)
    uses = {
        each: Use(density, of_size)
        for each, density, of_size, used in zip(ids, table.density.tolist(), size.tolist(), is_used.tolist(), strict=True) if used
    }
    return Attributed(chosen, likeness(*halves) if halves else None, uses, len(ids), float(table.effect.abs().sum()))
