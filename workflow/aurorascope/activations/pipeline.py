"""Copying from the device, encoding and writing go on while Aurora computes the next blocks and the next snapshot.

Each block belongs to one writer thread, which takes its snapshots in the order they came: bytes do not depend on the
number of threads. Whoever computes is held up while more bytes wait than two snapshots of all blocks take.
"""

import logging
import os
import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import torch

from aurorascope.activations.writer import StoreWriter
from aurorascope.blocks import Block

_LOG = logging.getLogger(__name__)
_SNAPSHOTS_IN_FLIGHT = 2
_MOST_WRITERS = 4
_FLOAT32_BYTES = 4


def default_writers() -> int:
    """Writer threads for this machine: one beside a forward on two cores, else up to four."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if cores <= 2 else min(_MOST_WRITERS, cores - 1)


def snapshot_bytes(writer: StoreWriter) -> int:
    """Bytes of one snapshot of a block before it is encoded."""
    return writer.grid.n_tokens * writer.claim["d_model"] * _FLOAT32_BYTES


@dataclass(frozen=True)
class _Job:
    """One block of one snapshot on its way to the disk."""

    writer: StoreWriter
    index: int
    tokens_nd: torch.Tensor
    copied: "torch.cuda.Event | None"
    n_bytes: int


def _to_host(tokens_nd: torch.Tensor) -> tuple[torch.Tensor, "torch.cuda.Event | None"]:
    """A copy in host memory and, where it is still being made, the event that ends it.

    A copy on the CPU as well: what a hook is handed belongs to the model, which may go on to change it.
    """
    if tokens_nd.device.type != "cuda":
        return tokens_nd.to("cpu", copy=True), None
    # On the stream of the forward: later kernels cannot reuse the source before the copy has read it.
    host_nd = torch.empty(tokens_nd.shape, dtype=tokens_nd.dtype, pin_memory=True)
    host_nd.copy_(tokens_nd, non_blocking=True)
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(tokens_nd.device))
    return host_nd, copied


class Pipeline:
    """Writes what it is handed. Use as a context: leaving it waits until everything is on disk.

    Left by an error, it writes what is waiting; left by an interruption (Ctrl-C), only what is being written.

    Args:
        writers: the stores being filled.
        n_threads: writer threads; None for `default_writers`.
        limit_bytes: most bytes that may wait or be in work; None for two snapshots of all blocks. A single larger one
            passes when nothing else is under way.

    Attributes:
        limit_bytes: that limit.
        peak_bytes: most bytes that were under way at once.
    """

    def __init__(
        self, writers: Mapping[Block, StoreWriter], n_threads: int | None = None, limit_bytes: int | None = None
    ) -> None:
        sizes = {block: snapshot_bytes(writer) for block, writer in writers.items()}
        n_threads = min(n_threads or default_writers(), len(writers))
        self.limit_bytes = limit_bytes or _SNAPSHOTS_IN_FLIGHT * sum(sizes.values())
        self.peak_bytes = self._n_bytes = 0
        self._writers = writers
        self._changed = threading.Condition()
        self._error: BaseException | None = None
        self._is_discarding = False
        self._queues: list[queue.SimpleQueue[_Job | None]] = [queue.SimpleQueue() for _ in range(n_threads)]
        self._queue_of: dict[Block, queue.SimpleQueue[_Job | None]] = {}
        loads = [0] * n_threads
        # Largest first, each to the thread with least to write.
        for block in sorted(sizes, key=lambda block: (-sizes[block], block.depth_index)):
            thread = loads.index(min(loads))
            self._queue_of[block] = self._queues[thread]
            loads[thread] += sizes[block]
        self._threads = [
            threading.Thread(target=self._work, args=(waiting,), name=f"writer-{i}")
            for i, waiting in enumerate(self._queues)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def submit(self, block: Block, index: int, tokens_nd: torch.Tensor) -> None:
        """Copy one block's tokens to the host and leave the rest to its thread; waits while too much is under way.

        Args:
            block: one of the stores' blocks.
            index: the snapshot.
            tokens_nd: (n_tokens, d) float32 on any device; free to be changed afterwards.

        Raises:
            BaseException: whatever ended a writer, as it was.
        """
        n_bytes = tokens_nd.numel() * _FLOAT32_BYTES
        with self._changed:
            self._changed.wait_for(
                lambda: self._error or not self._n_bytes or self._n_bytes + n_bytes <= self.limit_bytes
            )
            self._raise_error()
            self._n_bytes += n_bytes
            self.peak_bytes = max(self.peak_bytes, self._n_bytes)
        try:
            host_nd, copied = _to_host(tokens_nd)
        except BaseException:
            self._release(n_bytes)
            raise
        self._queue_of[block].put(_Job(self._writers[block], index, host_nd, copied, n_bytes))

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _release(self, n_bytes: int) -> None:
        with self._changed:
            self._n_bytes -= n_bytes
            self._changed.notify_all()

    def _work(self, waiting: "queue.SimpleQueue[_Job | None]") -> None:
        while (job := waiting.get()) is not None:
            n_bytes = job.n_bytes
            try:
                if self._error is None and not self._is_discarding:
                    if job.copied is not None:
                        job.copied.synchronize()
                    job.writer.add(job.index, job.tokens_nd.numpy())
            except BaseException as error:
                with self._changed:
                    self._error = self._error or error
            finally:
                # The tokens go before the count does, so that the count never says less than there is.
                del job
                self._release(n_bytes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_discarding = error is not None and not isinstance(error, Exception)
        for waiting in self._queues:
            waiting.put(None)
        try:
            self._join()
        except BaseException:
            # Interrupted while waiting: the folders' locks must not go before the threads that write into them.
            self._is_discarding = True
            self._join()
            raise
        if error is None:
            self._raise_error()
        elif self._error is not None and self._error is not error:
            _LOG.warning("While this run was ending, a writer failed too: %s", self._error)

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()
