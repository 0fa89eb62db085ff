"""Quantiles over the training states, weighted with area: sums of integers, so that neither order nor grouping changes a bit."""

import numpy as np

# Of a float32's 32 bits, these are sign, exponent and 11 of the mantissa: bins are 2^-11 of a value wide.
_BITS = 20
_SIGN = np.uint32(1 << 31)


def _keys(values: np.ndarray) -> np.ndarray:
    """Bin of each float32; a larger value is never in a lower bin."""
    bits = (np.asarray(values, np.float32) + np.float32(0)).view(np.uint32)
    ordered = np.where(bits & _SIGN, ~bits, bits | _SIGN)
    return (ordered >> np.uint32(32 - _BITS)).astype(np.int64)


def _lowest(key: int) -> float:
    """The lowest value of a bin."""
    ordered = np.uint32(key << (32 - _BITS))
    return float((ordered ^ _SIGN if ordered & _SIGN else ~ordered).view(np.float32))


class AreaHistogram:
    """How much area has which value; values in bins of a relative width of 2^-11, areas as whole numbers.

    Args:
        name: what the values are, for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.areas = np.zeros(1 << _BITS, np.int64)

    def add(self, values: np.ndarray, areas: np.ndarray) -> None:
        """Add cells: float32 values, of which NaN is left out, and their areas in int64, of the same shape.

        Raises:
            ValueError: an infinite value.
        """
        there = ~np.isnan(values)
        if np.isinf(values).any():
            raise ValueError(f"{self.name} has an infinite value, which has no place in a quantile")
        keys, index = np.unique(_keys(values[there]), return_inverse=True)
        # Whole numbers below 2^53, which float64 adds exactly.
        self.areas[keys] += np.bincount(index, weights=areas[there].astype(np.float64)).astype(np.int64)

    def quantile(self, percentile: float) -> float:
        """The lowest value of the bin where the area of lower values, and of the bin, reaches a percentile of all.

        At least 100 - percentile percent of the area has this value or more, and less than that has a value above the bin.

        Raises:
            ValueError: nothing was added.
        """
        total = int(self.areas.sum())
        if total == 0:
            raise ValueError(f"no cell has a value of {self.name}, so that it has no quantile")
        reached = np.cumsum(self.areas)
        return _lowest(int(np.searchsorted(reached, np.ceil(percentile / 100 * total))))
