"""Large arrays that are used again once nobody refers to them.

Memory fresh from the system costs a page fault every 4 KiB, which takes longer than reading or decoding a snapshot into
it. What is handed out is told from what is free by counting references, so that whoever keeps an array loses nothing:
it is simply not used again.
"""

import sys
import threading

import numpy as np

# The list, the loop variable and getrefcount's own argument.
_UNUSED = 3


class Buffers:
    """Hands out byte arrays; safe to use from several threads.

    Args:
        most: arrays kept for use again.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: list[np.ndarray] = []
        self._lock = threading.Lock()

    def take(self, n_bytes: int) -> np.ndarray:
        """An array of `n_bytes` uint8 that nobody else refers to, content undefined."""
        with self._lock:
            for kept in self._kept:
                if sys.getrefcount(kept) == _UNUSED and len(kept) >= n_bytes:
                    return kept[:n_bytes]
            fresh = np.empty(n_bytes, np.uint8)
            # The latest size is the one that will be asked for next.
            self._kept = [fresh, *self._kept][: self.most]
            return fresh[:]

    def clear(self) -> None:
        """Keep nothing for use again; arrays in use stay valid."""
        with self._lock:
            self._kept.clear()
