"""Activation stores: tokens of a block, bytes of a snapshot, files of a store, as `activations.writer` writes them."""

from aurorascope.blocks import Block
from aurorascope.costs.need import Need
from aurorascope.spec import LATENT_LEVELS, PATCH

ITEM_BYTES = {"float16": 2, "float32": 4}
_CRC_BYTES = 4
# Header of a part: names, shapes and three digests. Then five quantiles of the norms of each level and of each of its six
# latitude bands, loss and largest value.
_PART_BYTES = 810 + 8 * (len(LATENT_LEVELS) * 5 * (1 + 6) + 2)
# A snapshot's lines in claim.json, complete.json and manifest.json.
_RECORD_BYTES = 2500
# The same three without snapshots, the small arrays and all zarr.json.
_STORE_BYTES = 23_000
# The chunk in its four folders, and the part.
_CHUNK_INODES, _PART_INODES = 5, 1
# Folders, records, lock, moments and the arrays; a training store adds the position mean, and the block's own folder.
_STORE_INODES = {"train": 45, "held_out": 43}


def token_shape(block: Block, grid: tuple[int, int]) -> tuple[int, int, int]:
    """(latent levels, rows, columns) of a block's tokens, for a grid of (rows, columns); see `tokens.token_grid`."""
    rows, cols = (-(-(n // PATCH) // 2**block.merges) for n in grid)
    return len(LATENT_LEVELS), rows, cols


def n_tokens(block: Block, grid: tuple[int, int]) -> int:
    """Tokens of one snapshot."""
    levels, rows, cols = token_shape(block, grid)
    return levels * rows * cols


def activation_bytes(tokens: int, width: int, dtype: str) -> int:
    """Bytes of the stored values of one snapshot."""
    return tokens * width * ITEM_BYTES[dtype]


def snapshot_need(tokens: int, width: int, dtype: str, *, has_chunks: bool = True) -> Need:
    """Room of one snapshot in a store.

    The chunk with its checksum, unless the snapshot is computed again whenever it is needed; offset and scale (float32)
    in the group and again in the snapshot's part, with mean and squares (float64); its lines in the records.
    """
    by_channel = width * (4 * 4 + 2 * 8)
    part = Need(by_channel + _PART_BYTES + _RECORD_BYTES, _PART_INODES)
    if not has_chunks:
        return part
    return part + Need(activation_bytes(tokens, width, dtype) + _CRC_BYTES, _CHUNK_INODES)


def store_need(tokens: int, width: int, dtype: str, n_snapshots: int, split: str, *, has_chunks: bool = True) -> Need:
    """Room of a finished store.

    Args:
        tokens: tokens of one snapshot.
        width: channels.
        dtype: "float16" or "float32".
        n_snapshots: snapshots of the split.
        split: "train", which keeps the mean at each token (float32), or "held_out".
        has_chunks: whether the activations themselves are kept; without them the sum at each token (float64) is
            kept while the store is made.
    """
    position_mean = tokens * width * (4 if has_chunks else 12) if split == "train" else 0
    fixed = Need(_STORE_BYTES + 2 * 8 * width + position_mean, _STORE_INODES[split])
    return fixed + snapshot_need(tokens, width, dtype, has_chunks=has_chunks).times(n_snapshots)
