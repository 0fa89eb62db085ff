"""Read snapshots ahead of their use, in order, with a few in flight."""

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np

# One thread reads and hashes about 1.7 GB/s; more than four outrun any disk and any training step.
_MOST_THREADS = 4


class Source(Protocol):
    """Where snapshots come from.

    Attributes:
        parallel: whether `stored` may be called from several threads at once.
    """

    parallel: bool

    def stored(self, index: int) -> np.ndarray:
        """Stored values of one snapshot, (n_tokens, d)."""


def n_threads() -> int:
    """Threads that read and hash: the cores this process may use, at most four."""
    # Not every system tells which cores a process may use.
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(_MOST_THREADS, n_cores)


def in_flight() -> int:
    """Snapshots that `ahead` holds at most: one a thread and the one that is being used."""
    return n_threads() + 1


def ahead(source: Source, order: Sequence[int]) -> Iterator[np.ndarray]:
    """Stored values of snapshots in the order given, read ahead where the source allows it.

    A source that is not parallel is called in the consumer's own thread, for one snapshot at a time. The threads end
    with the iterator, also when the consumer stops early, and before it says that it has ended.

    Args:
        source: where they come from.
        order: indices of snapshots.

    Yields:
        (n_tokens, d) in the stored precision.

    Raises:
        Exception: whatever `source.stored` raises, unchanged, in place of the snapshot it was raised for.
    """
    if not source.parallel:
        for index in order:
            yield source.stored(index)
        return
    threads = ThreadPoolExecutor(n_threads(), thread_name_prefix="aurorascope-read")
    waiting: deque[Future[np.ndarray]] = deque()
    try:
        for index in order:
            waiting.append(threads.submit(source.stored, index))
            # One more than threads: while one snapshot is used, every thread has another to read.
            if len(waiting) > n_threads():
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        threads.shutdown(wait=True, cancel_futures=True)
