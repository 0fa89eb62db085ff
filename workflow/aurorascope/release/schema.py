"""The schema that every `sae_index.json` is written and read by; it is part of the package, in a clone as in a wheel."""

import json
from importlib.resources import files
from typing import Any

INDEX_SCHEMA = files("aurorascope") / "schemas" / "sae_index.schema.json"


def index_schema() -> dict[str, Any]:
    """The JSON schema of the index, parsed."""
    return json.loads(INDEX_SCHEMA.read_text(encoding="utf-8"))
