"""Read a record whose schema says what it holds, after the files beside it have been compared with the digests that it names."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema

from aurorascope.errors import UserError
from aurorascope.files import check_file
from aurorascope.records import Kind


def read_recorded(kind: Kind, schema: Mapping[str, Any], results: Path, **names: str) -> tuple[Path, dict[str, Any], tuple[Path, ...]]:
    """Path of a record, the record, and the files that it stands for.

    Args:
        kind: of the record.
        schema: of its content.
        results: the results folder.
        names: what stands in the record's path.

    Raises:
        UserError: it is missing, damaged or of another form, or a file is not what it says.
    """
    path, record = kind.where(results, **names), kind.read(results, **names)
    try:
        jsonschema.validate(record, schema)
    except jsonschema.ValidationError as error:
        raise UserError.stale(path, "a record as its schema says", " ".join(error.message.split())[:200]) from None
    try:
        digests = kind.digests(path, record)
    except KeyError as error:
        raise UserError.stale(path, "digests of its files", f"none of {error}") from None
    for file, digest in digests.items():
        check_file(file, digest, path)
    return path, record, tuple(digests)
