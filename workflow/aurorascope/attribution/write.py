"""The files of an attribution: the table, and last the record that names its digest."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from aurorascope.attribution.claim import KIND
from aurorascope.files import sha256_file, write_json, write_table


def write_attribution(results: Path, content: Mapping[str, Any], table: pd.DataFrame) -> None:
    """Write `attribution/<outcome>/<block>.parquet` and then the record beside it, each whole or not at all.

    Args:
        results: the results folder, or one that takes its place.
        content: of the record, without the digest.
        table: one row a feature.

    Raises:
        DiskError: the disk is full or read-only.
    """
    record = KIND.where(results, outcome=content["outcome"], block=content["block"])
    path = record.with_suffix(".parquet")
    write_table(path, table)
    write_json(record, {**content, "files": {f"attribution/{content['outcome']}/{path.name}": sha256_file(path)}})
