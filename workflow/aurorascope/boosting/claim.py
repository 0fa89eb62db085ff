"""Whether a second SAE belongs to a first one, told from their records. Nothing heavy is imported here."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aurorascope.errors import UserError


def check_of(boost: Mapping[str, Any], sae: Mapping[str, Any], path: Path) -> None:
    """Refuse a second SAE of other weights than a first one's.

    Args:
        boost: record, or entry of the index, of the second.
        sae: record, or entry of the index, of the first.
        path: where the second's record lies.

    Raises:
        UserError: it is of another one.
    """
    if boost["of"] != sae["sha256"]:
        raise UserError.stale(path, f"a boost of the SAE {sae['sha256'][:12]}", f"one of {boost['of'][:12]}")
