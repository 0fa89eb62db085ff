"""The 48 blocks of Aurora's backbone and their six stages: ids, order, widths, and where each sits in the model.

Imported whenever Snakemake parses, so it needs nothing heavy; where a block's tokens lie is in `tokens`.
"""

import difflib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from aurorascope.errors import ALIKE
from aurorascope.spec import DEPTHS


@dataclass(frozen=True)
class Block:
    """One transformer block.

    Attributes:
        component: "encoder" or "decoder" half of the backbone.
        stage: 0 to 2, counted in forward order inside the component.
        block: index inside the stage.
        depth_index: 0 to 47, forward order over both halves.
    """

    component: str
    stage: int
    block: int
    depth_index: int

    @property
    def id(self) -> str:
        """The block's id, for example `encoder_s1_b5`."""
        return f"{self.stage_id}_b{self.block}"

    @property
    def stage_id(self) -> str:
        """The id of its stage, for example `encoder_s1`."""
        return f"{self.component}_s{self.stage}"

    @property
    def merges(self) -> int:
        """How many times the token grid was merged 2 x 2 before this block (0, 1 or 2)."""
        return self.stage if self.component == "encoder" else 2 - self.stage

    @property
    def hook(self) -> str:
        """Dotted path of the module inside the Aurora model."""
        return f"backbone.{self.component}_layers.{self.stage}.blocks.{self.block}"

    def width(self, embed_dim: int) -> int:
        """Channels of the block's output (d_model of its SAE)."""
        return embed_dim << self.merges

    def module(self, model: Any) -> Any:
        """The block's module in an Aurora model."""
        layers = getattr(model.backbone, f"{self.component}_layers")
        return layers[self.stage].blocks[self.block]


def _all_blocks() -> tuple[Block, ...]:
    sites = [
        (component, stage, block)
        for component, depths in DEPTHS.items()
        for stage, depth in enumerate(depths)
        for block in range(depth)
    ]
    return tuple(Block(*site, depth_index) for depth_index, site in enumerate(sites))


BLOCKS = _all_blocks()
BLOCK_IDS = tuple(block.id for block in BLOCKS)
BY_ID = {block.id: block for block in BLOCKS}


def similar_ids(name: str, ids: Sequence[str] = BLOCK_IDS, cutoff: float = 0.0) -> list[str]:
    """Up to three ids that an unknown one may stand for, the likeliest first.

    Of the stage that it names, if any: whoever counts too far wants no other half's block of that number.

    Args:
        name: the unknown one.
        ids: what it may be.
        cutoff: similarity below which an id is none of them, 0 to 1.
    """
    same = [each for each in ids if each.rpartition("_b")[0] == name.rpartition("_b")[0]]
    return difflib.get_close_matches(name, same or ids, n=3, cutoff=cutoff)


@dataclass(frozen=True)
class Stage:
    """Consecutive blocks of one token grid and width, between two that change it; some or all of them.

    Attributes:
        blocks: in forward order, at least one.
    """

    blocks: tuple[Block, ...]

    @property
    def id(self) -> str:
        """The stage's id, for example `encoder_s1`."""
        return self.blocks[0].stage_id

    @property
    def depth_index(self) -> int:
        """48 to 53, forward order: what seeds are drawn by, after those of the blocks."""
        return len(BLOCKS) + STAGE_IDS.index(self.id)

    @property
    def merges(self) -> int:
        """As each of its blocks."""
        return self.blocks[0].merges

    def width(self, embed_dim: int) -> int:
        """As each of its blocks."""
        return self.blocks[0].width(embed_dim)

    def of(self, block_ids: Collection[str]) -> "Stage | None":
        """The stage with only those of its blocks that are among these; None where none is."""
        blocks = tuple(block for block in self.blocks if block.id in block_ids)
        return Stage(blocks) if blocks else None


STAGES = tuple(
    Stage(tuple(block for block in BLOCKS if (block.component, block.stage) == (component, stage)))
    for component, depths in DEPTHS.items()
    for stage in range(len(depths))
)
STAGE_IDS = tuple(stage.id for stage in STAGES)
STAGE_BY_ID = {stage.id: stage for stage in STAGES}


def nearest_block(found: object) -> str:
    """What to do about an unknown block: take the likeliest one; of a stage, one of its own."""
    if found is None:
        return "add the key"
    if found in STAGE_IDS:
        own = [each for each in BLOCK_IDS if each.startswith(f"{found}_")]
        return f"take one of its blocks, {own[0]} to {own[-1]}"
    near = similar_ids(str(found).lower(), cutoff=ALIKE)
    return f"take {near[0]}" if near else f"take one of the {len(BLOCK_IDS)}, {BLOCK_IDS[0]} to {BLOCK_IDS[-1]}"
