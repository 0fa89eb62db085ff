"""One store under construction: take up what is still good, add snapshots in any order, then finish it.

Every snapshot is two files written atomically, its chunk and then its part (offset, scale, moments, digests of the
chunk and of these, key over its inputs). A killed dump therefore loses at most the snapshots in flight, and a store of
another configuration is recognised snapshot by snapshot, never by hand.

A store that keeps no chunks is the same in every other file, its manifest included: that says what the chunks would be.
"""

import threading
from typing import Any

import numpy as np

from aurorascope.activations import moments
from aurorascope.activations.accumulate import PositionSum
from aurorascope.activations.chunk import ChunkWriter
from aurorascope.activations.encode import Channels, Encoded, channels_of, encode_about
from aurorascope.activations.finish import finish_store
from aurorascope.activations.parts import write_part
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.resume import take_up
from aurorascope.errors import UserError
from aurorascope.tokens import TokenGrid

_LOCAL = threading.local()


def _room(shape: tuple[int, int], dtype: str) -> np.ndarray:
    """This thread's array for encoded snapshots; fresh memory costs a page fault every 4 KiB, as much as encoding."""
    n_bytes = shape[0] * shape[1] * np.dtype(dtype).itemsize
    if getattr(_LOCAL, "room", None) is None or len(_LOCAL.room) < n_bytes:
        _LOCAL.room = np.empty(n_bytes, np.uint8)
    return _LOCAL.room[:n_bytes].view(dtype).reshape(shape)


class NotFiniteError(UserError):
    """Activations of the snapshot at `time` are NaN or infinite."""

    def __init__(self, where: object, found: str, time: str) -> None:
        super().__init__(where, "finite values", found, "check the checkpoint, and aurora.autocast: false")
        self.time = time


class StoreWriter:
    """Writes the store of one block and split. Use inside `paths.locked()`.

    Args:
        paths: where it lies.
        claim: what it must hold (`claim.make_claim`).
        grid: the block's token grid.
        keep_chunks: False leaves everything but the chunks; snapshots must then come in time order.

    Attributes:
        missing: indices of the snapshots still to be added.
        n_bytes: bytes of chunks written (or, where none are kept, hashed) by `add`.
    """

    def __init__(self, paths: StorePaths, claim: dict[str, Any], grid: TokenGrid, keep_chunks: bool = True) -> None:
        self.paths, self.claim, self.grid, self.keep_chunks = paths, claim, grid, keep_chunks
        self.n_bytes = 0
        n = len(claim["snapshots"])
        there = take_up(paths, claim, grid, keep_chunks=keep_chunks)
        self._sum: PositionSum | None = None
        if keep_chunks:
            paths.accumulated.unlink(missing_ok=True)
        elif claim["split"] == "train":
            self._sum = PositionSum(paths, claim, (grid.n_tokens, claim["d_model"]))
            there &= set(range(self._sum.n))
        self.missing = set(range(n)) - there

    def add(self, index: int, tokens_nd: np.ndarray) -> None:
        """Encode and write one snapshot, (n_tokens, d) float32.

        Raises:
            UserError: the activations are of another shape or not finite, or the disk is full.
            ValueError: no chunks are kept, and an earlier snapshot is missing.
        """
        snapshot = self.claim["snapshots"][index]
        tokens_nd, channels = self._checked(snapshot, tokens_nd)
        found = moments.TokenMoments(len(tokens_nd), channels.mean.astype(np.float32))
        stored_nd = tokens_nd if channels.dtype == "float32" else _room(tokens_nd.shape, channels.dtype)
        chunk = ChunkWriter(stored_nd, self.paths.chunk(index) if self.keep_chunks else None)

        def seen(rows: slice, decoded_rd: np.ndarray) -> None:
            chunk.put(rows.stop)
            found.see(rows, decoded_rd)

        try:
            encoded = encode_about(tokens_nd, channels, stored_nd, seen)
        except BaseException:
            chunk.abandon()
            raise
        digest = chunk.finish()
        write_part(self.paths.part(snapshot["time"]), self._part(encoded, found), snapshot["key"], digest)
        if self._sum is not None:
            self._sum.add(index, encoded)
        self.n_bytes += stored_nd.nbytes
        self.missing.discard(index)

    def _checked(self, snapshot: dict[str, Any], tokens_nd: np.ndarray) -> tuple[np.ndarray, Channels]:
        where = f"activations of {self.claim['block']} at {snapshot['time']}"
        expected = (self.grid.n_tokens, self.claim["d_model"])
        if tokens_nd.shape != expected:
            raise UserError(where, f"shape {expected}", str(tokens_nd.shape), "report this with your configuration")
        tokens_nd = np.ascontiguousarray(tokens_nd, np.float32)
        channels = channels_of(tokens_nd, self.claim["dtype"])
        if not np.isfinite(channels.mean).all():
            n_bad = int((~np.isfinite(tokens_nd)).sum())
            raise NotFiniteError(where, f"{n_bad} that are not", snapshot["time"])
        return tokens_nd, channels

    def _part(self, encoded: Encoded, found: moments.TokenMoments) -> dict[str, np.ndarray]:
        total = found.result()
        return {
            "offset": encoded.offset,
            "scale": encoded.scale,
            "mean": total.mean,
            "m2": total.m2,
            "norm_quantiles": moments.quantiles_by_level(found.norms_n, self.grid.n_levels),
            "norm_quantiles_by_band": moments.quantiles_by_band(found.norms_n, self.grid),
            "loss": np.array([encoded.loss]),
            "max_abs": np.array([encoded.max_abs], np.float64),
        }

    def save(self) -> None:
        """Keep what would be lost of a fill that ends early; nothing where chunks are kept."""
        if self._sum is not None:
            self._sum.save()

    def finish(self) -> None:
        """Merge what all snapshots left, in time order, and leave `complete.json`.

        Raises:
            UserError: a chunk is not what was written.
        """
        finish_store(self.paths, self.claim, self.grid, self.keep_chunks, self._sum)
        # As large as the position mean itself, times two.
        self._sum = None
