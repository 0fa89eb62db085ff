"""Operations of Aurora's forward up to a block, and of an SAE, a multiply-add counted as two.

Counted: every matrix product and convolution of Aurora 2.0.1 up to the block, that is the encoder (patch embeddings,
aggregation of the pressure levels), and for each block the linear layers (12 w^2 multiply-adds a token, their low-rank
adaptation of rank 8), attention inside windows of 2 x 6 x 12 tokens (padding included), merges and splits between
stages. Not counted: norms, activation functions, embeddings of time, and the decoder, which only forecasts run: the
forward of a dump ends at the deepest block asked for.
"""

from aurorascope.blocks import BLOCKS, Block
from aurorascope.cams.variables import STATIC
from aurorascope.costs.cams import N_ATMOS, N_SURFACE
from aurorascope.costs.stores import n_tokens, token_shape
from aurorascope.spec import LATENT_LEVELS, LORA_RANK, N_STATES, PATCH, WINDOW

# Static fields and the time's six sines and cosines join the surface fields and each pressure level.
_STATIC = len(STATIC) + 6
# Forward and backward of an SAE are six products of tokens x d_model x d_hidden; the engine's gradient needs five.
PRODUCTS = 6
PRODUCTS_OF_ENGINE = 5
PRODUCTS_OF_EVALUATION = 4
PRODUCTS_OF_ENCODING = 1


def aurora_parameters(embed_dim: int) -> int:
    """Parameters of `AuroraAirPollution` at a width: a polynomial, read off models of three widths."""
    return 4820 * embed_dim**2 + 17887 * embed_dim + 1974


def sae_parameters(d_model: int, d_hidden: int) -> int:
    """Parameters of one SAE: two matrices and two biases."""
    return 2 * d_model * d_hidden + d_model + d_hidden


def sae_flop(tokens: int, d_model: int, d_hidden: int, products: int) -> int:
    """Operations of so many products of tokens x d_model x d_hidden."""
    return 2 * products * tokens * d_model * d_hidden


def _encoder(grid: tuple[int, int], n_levels: int, w: int) -> int:
    """Multiply-adds of the perceiver encoder."""
    patches = grid[0] // PATCH * (grid[1] // PATCH)
    fields = N_SURFACE + _STATIC + n_levels * (N_ATMOS + _STATIC)
    embed = patches * fields * PATCH**2 * N_STATES * w
    latents = (len(LATENT_LEVELS) - 1) * patches
    # Surface MLP, position and scale; keys and values of the levels; queries, output and MLP of the latents.
    linear = (8 + 2) * patches * w**2 + 2 * n_levels * patches * w**2 + (2 + 8) * latents * w**2
    return embed + linear + 2 * latents * n_levels * w


def _block(block: Block, grid: tuple[int, int], w: int) -> int:
    """Multiply-adds of one transformer block of width `w`."""
    padded, window = 1, 1
    for size, wanted in zip(token_shape(block, grid), WINDOW, strict=True):
        side = min(size, wanted)
        padded *= -(-size // side) * side
        window *= side
    attention = padded * (4 * w**2 + 6 * LORA_RANK * w + 2 * window * w)
    return attention + 8 * n_tokens(block, grid) * w**2


def _before(block: Block, previous: Block, grid: tuple[int, int], embed_dim: int) -> int:
    """Multiply-adds between two blocks: a merge (2 w into w), a split (2 w into 4 w, then w into w), or none."""
    w, tokens = block.width(embed_dim), n_tokens(block, grid)
    if block.merges > previous.merges:
        return tokens * 2 * w * w
    if block.merges < previous.merges:
        return n_tokens(previous, grid) * 8 * w**2 + tokens * w**2
    return 0


def forward_flops(grid: tuple[int, int], n_levels: int, embed_dim: int) -> dict[str, int]:
    """Operations of one forward of batch size 1 that stops after a block, for each of the 48, on a grid of (rows, columns)."""
    macs, flops = _encoder(grid, n_levels, embed_dim), {}
    for previous, block in zip((BLOCKS[0], *BLOCKS), BLOCKS, strict=False):
        macs += _before(block, previous, grid, embed_dim) + _block(block, grid, block.width(embed_dim))
        flops[block.id] = 2 * macs
    return flops
