"""Large arrays that are used again once nobody refers to them.

Memory fresh from the system costs a page fault every 4 KiB, which takes longer than reading or decoding a snapshot into
it. What is handed out is watched by a weak reference, so that whoever keeps an array loses nothing: it is simply not used
again.
"""

import threading
import weakref

import numpy as np


class Buffers:
    """Hands out byte arrays, of which it keeps at most so many for use again; safe to use from several threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._kept: list[tuple[np.ndarray, weakref.ref[np.ndarray]]] = []
        self._lock = threading.Lock()

    def take(self, n_bytes: int) -> np.ndarray:
        """An array of `n_bytes` uint8 that nobody else refers to, content undefined."""
        with self._lock:
            for place, (kept, user) in enumerate(self._kept):
                if user() is None and len(kept) >= n_bytes:
                    mine = _lent(kept, n_bytes)
                    self._kept[place] = kept, weakref.ref(mine)
                    return mine
            fresh = np.empty(n_bytes, np.uint8)
            mine = _lent(fresh, n_bytes)
            # The latest size is the one that will be asked for next.
            self._kept = [(fresh, weakref.ref(mine)), *self._kept][: self.most]
            return mine

    def clear(self) -> None:
        """Keep nothing for use again; arrays in use stay valid."""
        with self._lock:
            self._kept.clear()


def _lent(kept: np.ndarray, n_bytes: int) -> np.ndarray:
    """The first bytes of an array, as an array that lives as long as any view of it.

    A view of a view refers to the array that owns the memory, not to the view between; behind a memoryview, NumPy looks
    no further.
    """
    return np.asarray(memoryview(kept)[:n_bytes])
