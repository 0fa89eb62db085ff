"""Stored precision: float16 about each snapshot's own channel means, scaled by powers of two.

float16 keeps 11 bits of the value it rounds. Where a channel's mean is large, those bits would go to the mean and not
to the variance, so what is stored is (x - offset) / scale. Offset and scale come from that snapshot alone: the bytes
of a snapshot never depend on which others are in the store or in what order they were written.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from aurorascope.activations.rows import ColumnSum, row_blocks, rows_per_block, sum_of_squares

# Largest stored magnitude lies in (2^13, 2^14]: far from float16's end (65504), and values down to 2^-28 of the
# largest still have all 11 bits.
_TOP_EXPONENT = 14


@dataclass(frozen=True)
class Channels:
    """What one pass over a snapshot finds out about its channels.

    Attributes:
        dtype: stored precision.
        mean: (d,) float64; finite if and only if every value is.
        offset: (d,) float32, the mean rounded (0 for float32).
        scale: (d,) float32, powers of two (1 for float32).
        low: (d,) float32, least value.
        high: (d,) float32, largest value.
    """

    dtype: str
    mean: np.ndarray
    offset: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Encoded:
    """One encoded snapshot.

    Attributes:
        stored: (n_tokens, d) float16 or float32.
        offset: (d,) float32, the channel means (0 for float32).
        scale: (d,) float32, powers of two (1 for float32).
        loss: 1 - the share of the snapshot's variance that decoding keeps (worst over nothing, pooled over channels).
        max_abs: largest decoded magnitude.
    """

    stored: np.ndarray
    offset: np.ndarray
    scale: np.ndarray
    loss: float
    max_abs: float

    def decode(self) -> np.ndarray:
        """The values a reader gets, (n_tokens, d) float32."""
        return decode(self.stored, self.offset, self.scale)


def decode(stored: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """`stored * scale + offset` in float32; the product is exact, since scales are powers of two."""
    values = stored.astype(np.float32)
    values *= scale
    values += offset
    return values


def decoded_blocks(stored: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows and their decoded values, block by block; each block's array is used again for the next."""
    if stored.dtype == np.float32:
        yield from ((rows, stored[rows]) for rows in row_blocks(*stored.shape))
        return
    decoder = _Decoder(offset, scale)
    for rows in row_blocks(*stored.shape):
        yield rows, decoder(torch.from_numpy(stored[rows])).numpy()


class _Decoder:
    """Decodes float16 blocks into one buffer; torch converts float16 thirty times faster than NumPy, to the same bits."""

    def __init__(self, offset: np.ndarray, scale: np.ndarray) -> None:
        self._offset, self._scale = torch.from_numpy(offset), torch.from_numpy(scale)
        self._values = torch.empty(rows_per_block(len(offset)), len(offset))

    def __call__(self, stored: torch.Tensor) -> torch.Tensor:
        return self._values[: len(stored)].copy_(stored).mul_(self._scale).add_(self._offset)


def channels_of(tokens_nd: np.ndarray, dtype: str) -> Channels:
    """Means, extremes, offset and scale of each channel.

    Args:
        tokens_nd: (n_tokens, d) float32, in C order.
        dtype: "float16" or "float32".
    """
    n, d = tokens_nd.shape
    sums = ColumnSum(d)
    low, high = np.full(d, np.inf, np.float32), np.full(d, -np.inf, np.float32)
    for rows in row_blocks(n, d):
        block = torch.from_numpy(tokens_nd[rows])
        sums.take(tokens_nd[rows])
        sums.add(len(block))
        np.minimum(low, block.amin(0).numpy(), out=low)
        np.maximum(high, block.amax(0).numpy(), out=high)
    mean = sums.total / n
    if dtype == "float32" or not np.isfinite(mean).all():
        return Channels(dtype, mean, np.zeros(d, np.float32), np.ones(d, np.float32), low, high)
    offset = mean.astype(np.float32)
    # Rounding never changes an order, so the largest distance is that of one of the extremes.
    largest = np.maximum(np.abs(low - offset), np.abs(high - offset))
    _, exponent = np.frexp(largest)
    # A constant channel has nothing to scale; exponents are kept where float32 powers of two are normal numbers.
    exponent = np.where(largest > 0, np.clip(exponent - _TOP_EXPONENT, -126, 126), 0)
    scale = np.ldexp(np.float32(1), exponent).astype(np.float32)
    return Channels(dtype, mean, offset, scale, low, high)


def encode(tokens_nd: np.ndarray, dtype: str) -> Encoded:
    """Encode one snapshot.

    Args:
        tokens_nd: (n_tokens, d) float32, finite.
        dtype: "float16" or "float32".

    Returns:
        The encoded snapshot with its measured round-trip loss.
    """
    tokens_nd = np.ascontiguousarray(tokens_nd, np.float32)
    return encode_about(tokens_nd, channels_of(tokens_nd, dtype), np.empty(tokens_nd.shape, dtype))


def encode_about(
    tokens_nd: np.ndarray,
    channels: Channels,
    stored_nd: np.ndarray,
    seen: Callable[[slice, np.ndarray], None] = lambda rows, decoded_rd: None,
) -> Encoded:
    """Encode one snapshot whose channels are known.

    Args:
        tokens_nd: (n_tokens, d) float32, finite, in C order.
        channels: its channels.
        stored_nd: (n_tokens, d) of the stored precision, to be filled; float32 is not copied, but is `tokens_nd` itself.
        seen: called after each block of rows with the rows, of which `stored_nd` is final, and their decoded values.
    """
    if channels.dtype == "float32":
        for rows in row_blocks(*tokens_nd.shape):
            seen(rows, tokens_nd[rows])
        return Encoded(tokens_nd, channels.offset, channels.scale, 0.0, _max_abs(channels.low, channels.high))
    encoder = _Encoder(channels)
    for rows in row_blocks(*tokens_nd.shape):
        seen(rows, encoder(torch.from_numpy(tokens_nd[rows]), torch.from_numpy(stored_nd[rows])))
    return Encoded(stored_nd, channels.offset, channels.scale, encoder.loss(len(tokens_nd)), encoder.max_abs())


class _Encoder:
    """Encodes blocks of rows and measures what rounding loses of them."""

    def __init__(self, channels: Channels) -> None:
        self.channels = channels
        self._offset = torch.from_numpy(channels.offset)
        # The inverse of a power of two is exact, and a product is faster than a quotient.
        self._inverse = torch.from_numpy(1 / channels.scale)
        self._decode = _Decoder(channels.offset, channels.scale)
        shape = rows_per_block(len(channels.offset)), len(channels.offset)
        self._work = torch.empty(shape)
        self._error = self._spread = 0.0

    def __call__(self, tokens_rd: torch.Tensor, stored_rd: torch.Tensor) -> np.ndarray:
        centred_rd = torch.sub(tokens_rd, self._offset, out=self._work[: len(tokens_rd)])
        self._spread += sum_of_squares(centred_rd.numpy())
        stored_rd.copy_(centred_rd.mul_(self._inverse))
        decoded_rd = self._decode(stored_rd)
        self._error += sum_of_squares(torch.sub(decoded_rd, tokens_rd, out=centred_rd).numpy())
        return decoded_rd.numpy()

    def loss(self, n: int) -> float:
        """Squared error over squared deviation from the mean (the spread is about the rounded mean)."""
        shift = self.channels.mean - self.channels.offset
        variance = self._spread - n * float((shift**2).sum())
        return self._error / variance if variance > 0 else 0.0

    def max_abs(self) -> float:
        """Largest decoded magnitude: encoding and decoding keep the order, so it is that of an extreme."""
        extremes = torch.from_numpy(np.stack([self.channels.low, self.channels.high]))
        stored = ((extremes - self._offset) * self._inverse).half()
        values = decode(stored.numpy(), self.channels.offset, self.channels.scale)
        return _max_abs(values[0], values[1])


def _max_abs(low: np.ndarray, high: np.ndarray) -> float:
    return float(max(np.abs(low).max(), np.abs(high).max()))
