"""How much memory the graphs take that edges and midpoints need, and whether blocks are rather computed again for each backward pass."""

from aurorascope.blocks import BLOCKS, Block
from aurorascope.costs.stores import n_tokens

MOST_BYTES = 16 << 30
"""Of a graph that is held."""
_VALUES = 16
"""Numbers that a block's graph has for each of its output: queries, keys, values and heads, both layers of the MLP, norms."""
_BYTES = 4


def graph_bytes(first: Block, grid: tuple[int, int], embed_dim: int) -> int:
    """Of the graph from a block's output to the last block's, Aurora's decoder left out.

    Args:
        first: the block.
        grid: rows and columns of the states.
        embed_dim: of the model.
    """
    later = BLOCKS[first.depth_index + 1 :]
    return sum(_VALUES * _BYTES * n_tokens(block, grid) * block.width(embed_dim) for block in later)


def computes_again(first: Block, grid: tuple[int, int], embed_dim: int) -> bool:
    """Whether the graph is too large to be held: then each backward pass computes the blocks that it goes through once more."""
    return graph_bytes(first, grid, embed_dim) > MOST_BYTES
