"""Walk through a snapshot in blocks of rows that stay in a core's cache, and add rows up strictly in their order.

A snapshot of the full model is 369 MB: every pass over the whole of it goes to memory. Taken in blocks, all steps of a
block but the first read from the cache. Sums run row after row, whatever the blocks: their last bits are those of
`np.add.reduce(values, axis=0)`.
"""

from collections.abc import Iterator

import numpy as np
import torch

# Half a megabyte of float32, a few with all copies of a block: within a share of the last cache, and long enough that
# calling a dozen functions for each block costs little beside it.
_BLOCK_VALUES = 1 << 17
# Sums of squares beyond these may have lost squares to float32's range, 1e-38 to 3e38, each.
_LEAST_SUM, _LARGEST_SUM = 1e-25, 1e38


def rows_per_block(d: int) -> int:
    """Rows of one block for tokens of `d` channels."""
    return max(1, _BLOCK_VALUES // d)


def row_blocks(n: int, d: int) -> Iterator[slice]:
    """Slices that cover `n` rows of `d` channels in order."""
    step = rows_per_block(d)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


class ColumnSum:
    """Sum over rows of each channel, float64, one row after the other.

    Fill what `space` returns and call `add` with the same number of rows.

    Args:
        d: channels.

    Attributes:
        total: (d,) float64, the sum so far.
    """

    def __init__(self, d: int) -> None:
        # The sum so far becomes the first row of the next block: one reduction continues where the last one ended.
        self._rows = np.empty((rows_per_block(d) + 1, d))
        self.total = np.zeros(d)
        self._is_empty = True

    def space(self, n: int) -> np.ndarray:
        """Room for `n` rows, (n, d) float64, content undefined."""
        return self._rows[1 : n + 1]

    def take(self, values_nd: np.ndarray) -> np.ndarray:
        """Room filled with a block's values as float64."""
        room = self.space(len(values_nd))
        torch.from_numpy(room).copy_(torch.from_numpy(values_nd))
        return room

    def add(self, n: int) -> None:
        """Add the `n` rows of `space`."""
        first = 1 if self._is_empty else 0
        self._rows[0] = self.total
        np.add.reduce(self._rows[first : n + 1], axis=0, out=self.total)
        self._is_empty = False


def sum_of_squares(values_nd: np.ndarray) -> float:
    """Sum of all squares of a float32 block: float32 within a row, float64 over rows.

    A row is too short for BLAS to split it over threads, so that the sum does not depend on their number. Blocks whose
    squares leave float32's range are summed in float64.
    """
    with np.errstate(over="ignore"):
        total = float(np.vecdot(values_nd, values_nd).sum(dtype=np.float64))
    if _LEAST_SUM < total < _LARGEST_SUM:
        return total
    wide_nd = values_nd.astype(np.float64)
    return float(np.vecdot(wide_nd, wide_nd).sum())
