"""Feed snapshots of one store to training and evaluation: from memory where they fit, else from their source.

All sources give the same values in the same order, bit for bit. The order of an epoch is a function of (seed, epoch)
alone, the same for every block, so that one read can serve many.
"""

import os
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch

from aurorascope.activations.buffers import Buffers
from aurorascope.activations.reader import StoreReader
from aurorascope.activations.stream import ahead
from aurorascope.errors import UserError
from aurorascope.memory import available_bytes, machine_bytes
from aurorascope.streams import Stream, generator

_MEMORY_SHARE = 0.4
_JOB_SHARE = 0.75
# Of memory that has nothing else to hold, where a stream will not do.
_LARGEST_SHARE = 0.8
# Values decoded at a time on the CPU, so that the second of two passes finds them in the core's cache.
_BLOCK = 1 << 17
# The batch in use and the one that is being decoded meanwhile.
_BATCHES = 2


def epoch_order(seed: int, epoch: int, n: int) -> np.ndarray:
    """Order of `n` items in one epoch, a permutation that depends on (seed, epoch) alone."""
    return generator(Stream.ORDER, seed, epoch).permutation(n)


def snapshot_order(seed: int, epoch: int, n_snapshots: int, n_blocks: int) -> np.ndarray:
    """Order of whole snapshots in one epoch.

    Args:
        seed: the SAE's.
        epoch: from 0.
        n_snapshots: of all blocks together.
        n_blocks: blocks that have each of these, block b's snapshot s at the place n_blocks * s + b.

    Returns:
        Places, int64: snapshots as `epoch_order` has them, and of each the blocks in an order of its own, one after the other, so
        that where Aurora computes them again one forward serves them all.
    """
    random = generator(Stream.ORDER, seed, epoch)
    order_s = random.permutation(n_snapshots // n_blocks)
    if n_blocks == 1:
        return order_s
    blocks_sb = random.permuted(np.tile(np.arange(n_blocks), (len(order_s), 1)), axis=1)
    return (order_s[:, None] * n_blocks + blocks_sb).reshape(-1)


class Feed(Protocol):
    """Batches of decoded tokens.

    A batch is the consumer's, to change and to keep. One that is let go before the next is asked for makes the feed
    fast: its memory is used again.

    Attributes:
        reader: where snapshots come from.
        device: where batches are.
        n_snapshots: snapshots in the store.
    """

    reader: StoreReader
    device: torch.device
    n_snapshots: int

    def snapshots(self, order: np.ndarray) -> Iterator[torch.Tensor]:
        """Decoded snapshots in the given order, each (n_tokens, d) float32."""

    def rows(self, order: np.ndarray, batch: int) -> Iterator[torch.Tensor]:
        """Decoded rows in the given order over all snapshots, `batch` at a time, (batch, d) float32."""


class _Base:
    def __init__(self, reader: StoreReader, device: torch.device) -> None:
        self.reader, self.device, self.n_snapshots = reader, device, reader.n_snapshots
        self.offset = torch.from_numpy(reader.offset).to(device)
        self.scale = torch.from_numpy(reader.scale).to(device)
        self._block_rows = max(1, _BLOCK // reader.d_model)
        self._buffers = Buffers(_BATCHES)

    def _empty(self, n: int) -> torch.Tensor:
        """(n, d) float32 on the CPU, content undefined."""
        raw = self._buffers.take(n * self.reader.d_model * 4)
        return torch.from_numpy(raw.view(np.float32).reshape(n, self.reader.d_model))

    def _decoded(self, stored_nd: torch.Tensor, index: int) -> torch.Tensor:
        """One snapshot, stored on any device, decoded on the feed's."""
        scale, offset = self.scale[index], self.offset[index]
        if self.device.type != "cpu":
            return torch.mul(stored_nd.to(self.device), scale).add_(offset)
        values = self._empty(len(stored_nd))
        for part, out in zip(stored_nd.split(self._block_rows), values.split(self._block_rows), strict=True):
            torch.mul(part, scale, out=out).add_(offset)
        return values


class ResidentFeed(_Base):
    """All stored values in memory, decoded on use.

    Args:
        reader: where snapshots come from; each is read once.
        device: where batches are made.
        home: where the stored values are kept; None for the device itself.

    Attributes:
        stored_sld: (n_snapshots, n_tokens, d), in the stored precision.
    """

    def __init__(self, reader: StoreReader, device: torch.device, home: torch.device | None = None) -> None:
        super().__init__(reader, device)
        self.home = device if home is None else home
        shape = (reader.n_snapshots, reader.n_tokens, reader.d_model)
        # NumPy asks the system for large pages, torch does not; on another device this is a shape that is never touched.
        blank = torch.from_numpy(np.empty(shape, reader.manifest["dtype"]))
        self.stored_sld = blank if self.home.type == "cpu" else torch.empty_like(blank, device=self.home)
        for place, stored_nd in zip(self.stored_sld, ahead(reader, range(reader.n_snapshots)), strict=True):
            place.copy_(torch.from_numpy(stored_nd))
        del stored_nd
        reader.forget_buffers()

    def snapshots(self, order: np.ndarray) -> Iterator[torch.Tensor]:
        """See `Feed`."""
        for index in order.tolist():
            yield self._decoded(self.stored_sld[index], index)

    def rows(self, order: np.ndarray, batch: int) -> Iterator[torch.Tensor]:
        """See `Feed`."""
        flat_rd = self.stored_sld.flatten(0, 1)
        for start in range(0, len(order), batch):
            rows = torch.from_numpy(order[start : start + batch])
            if self.device.type == "cpu":
                yield self._gathered(flat_rd, rows)
            else:
                picked, of = flat_rd[rows.to(self.home)], (rows // self.reader.n_tokens).to(self.device)
                yield torch.mul(picked.to(self.device), self.scale[of]).add_(self.offset[of])

    def _gathered(self, flat_rd: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        values, of = self._empty(len(rows)), rows // self.reader.n_tokens
        for part, snapshot, out in zip(*(t.split(self._block_rows) for t in (rows, of, values)), strict=True):
            picked, scale = flat_rd.index_select(0, part), self.scale.index_select(0, snapshot)
            torch.mul(picked, scale, out=out).add_(self.offset.index_select(0, snapshot))
        return values


class StreamFeed(_Base):
    """Snapshots from their source each time, read ahead where the source allows it (`stream.ahead`)."""

    def snapshots(self, order: np.ndarray) -> Iterator[torch.Tensor]:
        """See `Feed`; the threads that read ahead end with the iterator."""
        indices = order.tolist()
        source = ahead(self.reader, indices)
        try:
            for index in indices:
                # No name is bound to the stored values or to the batch: their memory is free once they are used.
                yield self._decoded(torch.from_numpy(next(source)), index)
        finally:
            source.close()

    def rows(self, order: np.ndarray, batch: int) -> Iterator[torch.Tensor]:
        """Refused: rows across the year need the year in memory."""
        raise UserError(
            "config key sae.shuffle",
            "activations that fit in memory, since rows are drawn across all snapshots",
            f"a store of {self.reader.n_snapshots} snapshots that do not fit",
            "set sae.shuffle: snapshots, or use a machine (on a cluster: a job, by mem_mb) with more memory",
        )


def open_feed(reader: StoreReader, device: torch.device, must_be_resident: bool = False) -> ResidentFeed | StreamFeed:
    """The fastest feed that fits: resident on the device, resident in host memory, else the stream.

    Stored values may take at most 40 % of the memory that is free, or 80 % where only a resident feed will do; within the
    limits of this process (`aurorascope.memory`) as much, and 75 % of a SLURM job's own.
    """
    share = _LARGEST_SHARE if must_be_resident else _MEMORY_SHARE
    needed = reader.n_snapshots * reader.n_tokens * reader.d_model * np.dtype(reader.manifest["dtype"]).itemsize
    if device.type == "cuda" and needed <= share * torch.cuda.mem_get_info(device)[0]:
        return ResidentFeed(reader, device)
    if _fits(needed, share):
        return ResidentFeed(reader, device, torch.device("cpu"))
    return StreamFeed(reader, device)


def _fits(n_bytes: int, share: float) -> bool:
    # What a machine or a container has, other jobs ask for at the same moment; what SLURM gave is this job's alone.
    own = max(share, _JOB_SHARE) if "SLURM_JOB_ID" in os.environ else share
    return n_bytes <= share * machine_bytes() and n_bytes <= own * available_bytes()
