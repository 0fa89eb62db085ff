"""Read a circuit that was traced: its record, and the tables beside it after a comparison with the digests that the record names.

The record's own words and numbers are judged again from its tables.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from aurorascope.circuits.circuit_file import N_PARTITIONS, N_SETS
from aurorascope.circuits.claim import KIND
from aurorascope.circuits.judge import judge, pair_facts
from aurorascope.circuits.write import schema
from aurorascope.errors import UserError
from aurorascope.judging import difference
from aurorascope.studies.recorded import read_recorded
from aurorascope.studies.results import plain


@dataclass(frozen=True, eq=False)
class FinishedCircuit:
    """A circuit's record and tables.

    Attributes:
        name: of the circuit.
        folder: that the files lie in.
        record: as its schema says.
        nodes: see `tables.node_table`.
        edges: see `tables.edge_table`.
        values: see `tables.value_table`.
    """

    name: str
    folder: Path
    record: Mapping[str, Any]
    nodes: pd.DataFrame
    edges: pd.DataFrame
    values: pd.DataFrame


def read_finished(results: Path, name: str) -> FinishedCircuit:
    """A circuit's record and tables.

    Args:
        results: the results folder.
        name: of the circuit.

    Raises:
        UserError: the record is missing, damaged or of another form, a table is not what it says, or the record says other than its tables.
    """
    path, record, _ = read_recorded(KIND, schema(), results, circuit=name)
    tables = {name: pd.read_parquet(path.with_name(f"{name}.parquet")) for name in ("nodes", "edges", "values")}
    _check_judged(path, record, tables)
    return FinishedCircuit(name, path.parent, record, **tables)


def _check_judged(path: Path, record: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> None:
    asked = record["asked"]
    judged = judge(tables["edges"], tables["values"], asked.get("n_sets", N_SETS), asked.get("n_partitions", N_PARTITIONS))
    expected = plain({**judged, "pairs": pair_facts(tables["edges"])})
    other = difference(expected, {key: record[key] for key in expected}, ())
    if other:
        where, wanted, found = other
        raise UserError.stale(path, f"{', '.join(where)}: {wanted}, which its tables give", str(found))
