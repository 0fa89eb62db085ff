"""The files of a circuit: tables, and last the record that names their digests."""

import functools
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd

from aurorascope.files import sha256_file, write_json, write_table
from aurorascope.studies.results import plain


def write_circuit(record: Path, content: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]) -> None:
    """Write the tables and then the record beside them, each whole or not at all.

    Args:
        record: `circuits/<name>/record.json` under results.
        content: of the record, without digests of files.
        tables: by name of the file without its ending.

    Raises:
        DiskError: the disk is full or read-only.
        ValueError: the record is not as its schema says; a defect of ours.
    """
    digests = {}
    for name, table in tables.items():
        path = record.with_name(f"{name}.parquet")
        write_table(path, table)
        digests[f"circuits/{record.parent.name}/{path.name}"] = sha256_file(path)
    found = plain({**content, "files": digests})
    try:
        jsonschema.validate(found, schema())
    except jsonschema.ValidationError as error:
        raise ValueError(f"a circuit's record is not as its schema says: {error.message} at {list(error.absolute_path)}") from error
    write_json(record, found)


@functools.cache
def schema() -> dict[str, Any]:
    """JSON Schema of a circuit's record."""
    return json.loads((files("aurorascope") / "schemas" / "circuit_record.schema.json").read_text(encoding="utf-8"))
