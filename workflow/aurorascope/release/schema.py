"""The schema that every `sae_index.json` is written and read by; it is part of the package, in a clone as in a wheel."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema

from aurorascope.errors import UserError

INDEX_SCHEMA = files("aurorascope") / "schemas" / "sae_index.schema.json"


def index_schema() -> dict[str, Any]:
    """The JSON schema of the index, parsed."""
    return json.loads(INDEX_SCHEMA.read_text(encoding="utf-8"))


def _version(text: object) -> tuple[int, ...] | None:
    parts = str(text).split(".")
    return tuple(map(int, parts)) if all(part.isdigit() for part in parts) else None


def _check_index(index: Any, path: Path, fix: str) -> None:
    """Refuse an index of a newer schema version, or one that its schema does not allow."""
    schema = index_schema()
    known = schema["properties"]["schema_version"]["const"]
    found = index.get("schema_version") if isinstance(index, dict) else None
    version = _version(found)
    if version is not None and version > _version(known):
        raise UserError(
            path, f"schema_version {known} or older", found, "open it with the version of aurorascope that it was made with, or a newer one"
        )
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(schema).iter_errors(index))
    if error is not None:
        raise UserError(path, f"an index of schema_version {known}", f"at {error.json_path}: {error.message[:200]}", fix)


def read_index(file: Path, fix: str) -> dict[str, Any]:
    """The content of an index that its schema allows.

    Args:
        file: its path.
        fix: what to do where it is missing or spoilt, for the error.

    Raises:
        UserError: it is missing, no JSON, of a newer schema version, or its schema does not allow it.
    """
    try:
        index = json.loads(file.read_text(), parse_constant=_refuse_constant)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise UserError(file, "the index of a suite", "a folder" if file.is_dir() else "no such file", fix) from None
    except ValueError as error:
        raise UserError(file, "the JSON index of a suite", f"unreadable JSON ({error})", fix) from None
    _check_index(index, file, fix)
    return index


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no JSON")
