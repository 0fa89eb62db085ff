"""Stored precision: float16 about each snapshot's own channel means, scaled by powers of two.

float16 keeps 11 bits of the value it rounds. Where a channel's mean is large, those bits would go to the mean and not
to the variance, so what is stored is (x - offset) / scale. Offset and scale come from that snapshot alone: the bytes
of a snapshot never depend on which others are in the store or in what order they were written.
"""

from dataclasses import dataclass

import numpy as np

# Largest stored magnitude lies in (2^13, 2^14]: far from float16's end (65504), and values down to 2^-28 of the
# largest still have all 11 bits.
_TOP_EXPONENT = 14


@dataclass(frozen=True)
class Encoded:
    """One encoded snapshot.

    Attributes:
        stored: (n_tokens, d) float16 or float32.
        offset: (d,) float32, the channel means (0 for float32).
        scale: (d,) float32, powers of two (1 for float32).
        loss: 1 - the share of the snapshot's variance that decoding keeps (worst over nothing, pooled over channels).
    """

    stored: np.ndarray
    offset: np.ndarray
    scale: np.ndarray
    loss: float

    def decode(self) -> np.ndarray:
        """The values a reader gets, (n_tokens, d) float32."""
        return decode(self.stored, self.offset, self.scale)


def decode(stored: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """`stored * scale + offset` in float32; the product is exact, since scales are powers of two."""
    values = stored.astype(np.float32)
    values *= scale
    values += offset
    return values


def encode(tokens_nd: np.ndarray, dtype: str) -> Encoded:
    """Encode one snapshot.

    Args:
        tokens_nd: (n_tokens, d) float32, finite.
        dtype: "float16" or "float32".

    Returns:
        The encoded snapshot with its measured round-trip loss.
    """
    n_channels = tokens_nd.shape[1]
    mean = tokens_nd.mean(axis=0, dtype=np.float64)
    if dtype == "float32":
        ones, zeros = np.ones(n_channels, np.float32), np.zeros(n_channels, np.float32)
        return Encoded(np.ascontiguousarray(tokens_nd, np.float32), zeros, ones, 0.0)
    offset = mean.astype(np.float32)
    centred = tokens_nd - offset
    largest = np.abs(centred).max(axis=0)
    _, exponent = np.frexp(largest)
    # A constant channel has nothing to scale; exponents are kept where float32 powers of two are normal numbers.
    exponent = np.where(largest > 0, np.clip(exponent - _TOP_EXPONENT, -126, 126), 0)
    scale = np.ldexp(np.float32(1), exponent).astype(np.float32)
    stored = (centred / scale).astype(np.float16)
    error = decode(stored, offset, scale).astype(np.float64) - tokens_nd
    variance = ((tokens_nd - mean) ** 2).sum()
    loss = float((error**2).sum() / variance) if variance > 0 else 0.0
    return Encoded(stored, offset, scale, loss)
