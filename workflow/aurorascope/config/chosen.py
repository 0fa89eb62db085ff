"""Blocks that stand for others: one a stage, where looking at every block would cost too much."""

from collections.abc import Sequence

from aurorascope.blocks import BLOCKS


def stage_representatives(block_ids: Sequence[str]) -> tuple[str, ...]:
    """One of these blocks of each stage, the middle one, in forward order."""
    stages: dict[tuple[str, int], list[str]] = {}
    for block in BLOCKS:
        if block.id in block_ids:
            stages.setdefault((block.component, block.stage), []).append(block.id)
    return tuple(ids[len(ids) // 2] for ids in stages.values())
