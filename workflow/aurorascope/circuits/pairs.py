"""Which blocks of a circuit are joined by edges. Nothing heavy is imported here."""

import itertools
from collections.abc import Sequence

from aurorascope.blocks import BLOCKS, BY_ID
from aurorascope.spec import DEPTHS

DEFAULT_BLOCKS = tuple(
    f"{component}_s{stage}_b{depth // 2}" for component, depths in DEPTHS.items() for stage, depth in enumerate(depths)
)
"""The middle block of each stage."""

SKIP = (("encoder", 0), ("decoder", 2))
"""Stages between which Aurora has a skip connection."""


def in_order(blocks: Sequence[str]) -> tuple[str, ...]:
    """The blocks in forward order."""
    return tuple(block.id for block in BLOCKS if block.id in blocks)


def pairs_of(blocks: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Earlier and later block of each pair: neighbours in forward order, and those on both sides of the skip connection.

    Args:
        blocks: ids of blocks, in any order.

    Returns:
        Sorted by the earlier block, then by the later one.
    """
    ordered = in_order(blocks)
    before, after = ([each for each in ordered if (BY_ID[each].component, BY_ID[each].stage) == stage] for stage in SKIP)
    found = {*itertools.pairwise(ordered), *([(before[-1], after[0])] if before and after else [])}
    return tuple(sorted(found, key=lambda pair: tuple(ordered.index(each) for each in pair)))


def is_skip(first: str, later: str) -> bool:
    """Whether a pair lies on both sides of the skip connection."""
    return tuple((BY_ID[each].component, BY_ID[each].stage) for each in (first, later)) == SKIP
