"""The chunk file of one snapshot, hashed and written by a thread of its own while later rows are still being encoded.

zarr v3 without compression is the raw array followed by its crc32c, so chunks are written as plain files (atomic, one
digest, no codec pipeline) and any zarr reader opens them.
"""

import contextlib
import os
import queue
import threading
from pathlib import Path
from typing import IO

import google_crc32c
import numpy as np
from blake3 import blake3

from aurorascope.files import atomic_write

CRC_BYTES = 4
# Pieces this large cost nothing to hand over and are still in the shared cache when they are hashed.
_PIECE_BYTES = 1 << 21
# The disk gets to work on every so many bytes, rather than on all of them in the final fsync.
_DISK_BYTES = 1 << 23


class _Abandoned(Exception):
    """Ends a chunk that will not be completed; never leaves this module."""


class ChunkWriter:
    """One chunk on its way: `put` its rows in order, then `finish`; or `abandon` it.

    Args:
        stored_nd: (n_tokens, d), the array whose rows are put; their values must be final then and stay.
        path: the chunk file, or None to find the digest of a file that is not kept.
    """

    def __init__(self, stored_nd: np.ndarray, path: Path | None) -> None:
        self._stored_nd, self._path = stored_nd, path
        self._begin = 0
        self._step = max(1, _PIECE_BYTES // max(1, stored_nd[:1].nbytes))
        self._pieces: queue.SimpleQueue[np.ndarray | bool] = queue.SimpleQueue()
        self._digest, self._error = "", None
        self._thread = threading.Thread(target=self._work, name="chunk")
        self._thread.start()

    def put(self, end: int) -> None:
        """Rows up to `end` are final."""
        if end - self._begin >= self._step:
            self._hand_over(end)

    def finish(self) -> str:
        """Hand over the last rows, wait for the disk, and return the file's BLAKE3.

        Raises:
            UserError: the disk is full or read-only.
        """
        self._hand_over(len(self._stored_nd))
        self._end(True)
        if self._error is not None:
            raise self._error
        return self._digest

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._end(False)

    def _hand_over(self, end: int) -> None:
        rows = self._stored_nd[self._begin : end]
        self._begin = end
        little = np.ascontiguousarray(rows, rows.dtype.newbyteorder("<"))
        self._pieces.put(little.reshape(-1).view(np.uint8))

    def _end(self, is_whole: bool) -> None:
        self._pieces.put(is_whole)
        self._thread.join()

    def _work(self) -> None:
        try:
            self._digest = self._drain()
        except _Abandoned:
            self._digest = ""
        except BaseException as error:
            # Raised again by the thread that waits for this one.
            self._error = error

    def _drain(self) -> str:
        digest, crc = blake3(), 0
        with contextlib.nullcontext() if self._path is None else atomic_write(self._path) as file:
            disk = _Disk(file)
            while isinstance(piece := self._pieces.get(), np.ndarray):
                digest.update(piece)
                crc = google_crc32c.extend(crc, piece)
                disk.write(piece)
            if not piece:
                raise _Abandoned
            tail = crc.to_bytes(CRC_BYTES, "little")
            digest.update(tail)
            disk.write(np.frombuffer(tail, np.uint8))
        return digest.hexdigest()


class _Disk:
    """Writes to a file, or to none, and has the system begin with the disk's work early."""

    def __init__(self, file: IO[bytes] | None) -> None:
        self._file = file
        self._written = self._begun = 0

    def write(self, piece: np.ndarray) -> None:
        if self._file is None:
            return
        self._file.write(piece)
        self._written += len(piece)
        waiting = self._written - self._begun
        # Linux begins to write dirty pages when it is told that they are not needed; not every system has the call.
        if waiting >= _DISK_BYTES and hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self._file.fileno(), self._begun, waiting, os.POSIX_FADV_DONTNEED)
            self._begun = self._written
