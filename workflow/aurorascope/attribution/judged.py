"""Whether an attribution's record says what its table does: sums, agreement and word are judged again, since no digest is over the record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.attribution.agreement import strongest
from aurorascope.attribution.checks import Checked
from aurorascope.attribution.claim import KIND
from aurorascope.attribution.parts import Effects
from aurorascope.attribution.projection import Projected
from aurorascope.attribution.record import summary_of
from aurorascope.errors import UserError
from aurorascope.files import check_file, read_record
from aurorascope.judging import difference


def check_attribution(path: Path) -> pd.DataFrame:
    """Compare what a record sums up with what its table, `record.table_of`, gives.

    Args:
        path: of the record, of one block.

    Returns:
        The table.

    Raises:
        UserError: the table is missing or not the one that the record names; a number or word of the record is another, or an entry is
            missing, of which the message names the first.
    """
    record = read_record(path, KIND.name)
    for table, digest in KIND.digests(path, record).items():
        check_file(table, digest, path)
    rows = pd.read_parquet(path.with_suffix(".parquet"))
    try:
        expected = _again(record, rows)
        found = {key: record[key] for key in expected}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError.stale(path, f"entries that fit {path.stem}.parquet", f"{type(error).__name__}: {error}") from None
    other = difference(expected, found, ())
    if other:
        where, wanted, there = other
        raise UserError.stale(path, f"{', '.join(where)}: {wanted}, which its table gives", str(there))
    return rows


def _again(record: Mapping[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """The summary, from the table and from what of each date stands in the record alone: y, its rounding, and the effect of the whole block."""
    dates, by_date = record["dates"], record["by_date"]
    effect_fd = np.stack(table["effect_by_date"].to_numpy())
    n_exact, none = int(table["exact_by_date"].notna().sum()), np.zeros(len(table))
    features = strongest(effect_fd.T.sum(axis=0) / len(dates), n_exact)
    effects, checks = {}, {}
    for at, date in enumerate(dates):
        said, active_f = by_date[date], table["n_active"].to_numpy() if at == 0 else none
        effects[date] = Effects(Projected(effect_fd[:, at], said["total"], active_f, none, record["n_tokens"]), said["y"], said["floor"])
        if said["agreement"] is not None:
            exact_k = np.array([table["exact_by_date"].iloc[each][at] for each in features], np.float64)
            at_mean = np.nan if said["at_mean"] is None else said["at_mean"]
            checks[date] = Checked(exact_k, at_mean, said["y"], said["floor"])
    return summary_of(dates, effects, features, checks)
