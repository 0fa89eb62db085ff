"""The mean at each token of a store that keeps no chunks: a float64 sum taken while snapshots come, in time order.

With chunks, the final step reads them all and needs nothing of this. Without, a killed fill would have to begin again;
so the sum is saved now and then, with the number of snapshots in it, and a later fill goes on from there.
"""

import logging
import time
from typing import Any

import numpy as np
from safetensors import SafetensorError

from aurorascope.activations.encode import Encoded, decoded_blocks
from aurorascope.activations.parts import read_part, tensors_digest, write_tensors
from aurorascope.activations.paths import StorePaths
from aurorascope.files import sha256_json

_LOG = logging.getLogger(__name__)
_SAVE_EVERY_S = 600.0


class PositionSum:
    """Running sum over a store's first snapshots at each token.

    Args:
        paths: the store.
        claim: what it must hold.
        shape: (n_tokens, d).

    Attributes:
        n: snapshots in the sum.
        total_nd: (n_tokens, d) float64.
    """

    def __init__(self, paths: StorePaths, claim: dict[str, Any], shape: tuple[int, int]) -> None:
        self._paths, self._claim = paths, claim
        self.n, self.total_nd = self._load(shape) or (0, np.zeros(shape))
        self._is_whole, self._saved_n, self._saved = True, self.n, time.monotonic()

    def _keys(self, n: int) -> str:
        return sha256_json([snapshot["key"] for snapshot in self._claim["snapshots"][:n]])

    def _load(self, shape: tuple[int, int]) -> tuple[int, np.ndarray] | None:
        path = self._paths.accumulated
        if not path.is_file():
            return None
        try:
            arrays, content = read_part(path)
            n, total_nd = int(arrays["n"][0]), arrays["total"]
            is_good = (
                n <= len(self._claim["snapshots"]) and total_nd.shape == shape and content["keys"] == self._keys(n)
                and content["tensors"] == tensors_digest(arrays)
            )
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            _LOG.warning("%s is damaged (%s); its snapshots will be computed again.", path, error)
            return None
        return (n, np.array(total_nd)) if is_good else None

    def add(self, index: int, encoded: Encoded) -> None:
        """Add one snapshot; those already in the sum are left as they are.

        Raises:
            ValueError: a snapshot before it is still missing; the last bits would depend on the order.
        """
        if index < self.n:
            return
        if index > self.n:
            raise ValueError(f"snapshot {index} came before snapshot {self.n}")
        self._is_whole = False
        for rows, decoded_rd in decoded_blocks(encoded.stored, encoded.offset, encoded.scale):
            self.total_nd[rows] += decoded_rd
        self.n += 1
        self._is_whole = True
        if time.monotonic() - self._saved >= _SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Write the sum, if there is more in it than was written last and it is not half way through a snapshot."""
        if not self._is_whole or self.n == self._saved_n:
            return
        arrays = {"n": np.array([self.n], np.int64), "total": self.total_nd}
        content = {"keys": self._keys(self.n), "tensors": tensors_digest(arrays)}
        write_tensors(self._paths.accumulated, arrays, content)
        self._saved_n, self._saved = self.n, time.monotonic()
