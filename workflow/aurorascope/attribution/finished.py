"""Read an outcome's attributions: records, and the tables beside them after a comparison with the digests that the records name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from aurorascope.attribution.claim import KIND
from aurorascope.attribution.judged import check_attribution
from aurorascope.errors import UserError

_SAME = ("asked", "hour", "dates", "quiet_dates", "checkpoint_sha256", "states_sha256")
"""Entries in which all records of an outcome agree."""


@dataclass(frozen=True, eq=False)
class FinishedOutcome:
    """An outcome's attributions.

    Attributes:
        name: of the outcome.
        folder: that the files lie in.
        records: by block id, in the order asked for.
        tables: likewise, a row a feature.
    """

    name: str
    folder: Path
    records: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, pd.DataFrame]

    @property
    def first(self) -> Mapping[str, Any]:
        """A record, for what all say alike."""
        return next(iter(self.records.values()))

    @property
    def asked(self) -> Mapping[str, Any]:
        """What is asked as a study asks for its linear outcome, with the name."""
        return {"kind": "linear", "name": self.name, **self.first["asked"]}


def read_finished(results: Path, name: str, blocks: Sequence[str]) -> FinishedOutcome:
    """The attributions of an outcome to blocks.

    Args:
        results: the results folder.
        name: of the outcome.
        blocks: ids, at least one.

    Raises:
        UserError: a record or table is missing, a table is not the one that its record names, a record says other than its table, or
            answers another question than the first one.
    """
    records, tables = {}, {}
    for block in blocks:
        path = KIND.where(results, outcome=name, block=block)
        record = records[block] = KIND.read(results, outcome=name, block=block)
        for key in _SAME:
            if record[key] != records[blocks[0]][key]:
                raise UserError.stale(path, f"the same {key} as in {blocks[0]}.json", "another")
        tables[block] = check_attribution(path)
    return FinishedOutcome(name, KIND.where(results, outcome=name, block=blocks[0]).parent, records, tables)
