"""Read the names that a user gave to features, as pages show them, and find those of features that are not there."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from aurorascope.atlas.own_names import read_own_names
from aurorascope.blocks import BLOCK_IDS
from aurorascope.notices import shortened

Names = Mapping[tuple[int, int], str]
_SHOWN = 5


def read_names(path: Path) -> dict[str, Names]:
    """Names that a user gave to features, by block and then by (feature, sign); notes are left out.

    Raises:
        UserError: as of `read_own_names`.
    """
    return {block: {key: own.name for key, own in found.items()} for block, found in read_own_names(path).items()}


def names_of_nothing(names: Mapping[str, Names], there: Mapping[str, Iterable[tuple[int, int]]]) -> list[str]:
    """What names were given to that has no place on any page, in words, the blocks in forward order and no more than fit a line.

    Args:
        names: that a user gave, by block.
        there: (feature, sign) of all features of each block that has a page.
    """
    found = []
    for block in (block for block in BLOCK_IDS if block in names):
        if block not in there:
            found.append(f"{block} has no page here")
            continue
        known = set(there[block])
        named = sorted({feature for feature, _ in names[block]} - {key[0] for key in known & set(names[block])})
        if named:
            found.append(f"{block} has no feature {', '.join(shortened([str(each) for each in named], 'numbers', _SHOWN))}")
    return shortened(found, "blocks", _SHOWN)
