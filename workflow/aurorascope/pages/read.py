"""Read the names that a user gave to features, as pages show them."""

from collections.abc import Mapping
from pathlib import Path

from aurorascope.atlas.own_names import read_own_names

Names = Mapping[tuple[int, int], str]


def read_names(path: Path) -> dict[str, Names]:
    """Names that a user gave to features, by block and then by (feature, sign); notes are left out.

    Raises:
        UserError: as of `read_own_names`.
    """
    return {block: {key: own.name for key, own in found.items()} for block, found in read_own_names(path).items()}
