"""Sizes, durations and operations in words, with no more digits than an estimate has."""

import math

_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def figure(value: float, digits: int = 3) -> str:
    """A number of so many significant digits, thousands separated, without an exponent."""
    if value == 0:
        return "0"
    # Through scientific notation, since rounding may add a digit: 9.996 becomes 10.0.
    rounded = float(f"{value:.{digits - 1}e}")
    return f"{rounded:,.{max(0, digits - 1 - math.floor(math.log10(abs(rounded))))}f}"


def size(n_bytes: float) -> str:
    """Bytes in decimal units: 184 MB, 1.75 TB."""
    for scale, unit in _SIZES:
        if n_bytes >= 0.9995 * scale:
            return f"{figure(n_bytes / scale)} {unit}"
    return f"{round(n_bytes)} bytes"


def flop(n: float) -> str:
    """Operations: 4.5e12 FLOP."""
    mantissa, exponent = f"{n:.1e}".split("e")
    return f"{mantissa}e{int(exponent)} FLOP"


def between(low: float, high: float) -> str:
    """A range of operations, or one number where both ends read the same."""
    first, last = flop(low), flop(high)
    return first if first == last else f"{first.removesuffix(' FLOP')} to {last}"


def duration(hours: float) -> str:
    """Hours; minutes below one, and days beside them where they are many."""
    if hours == 0:
        return "0 h"
    if hours < 1:
        return f"{hours * 60:.0f} min" if hours * 60 >= 1 else "under 1 min"
    return f"{figure(hours, 2)} h" + (f" ({figure(hours / 24, 2)} days)" if hours >= 48 else "")
