"""Long arrays that grow while they are made and live as long as the job: nameless files, mapped into memory."""

import os
import tempfile
from pathlib import Path

import numpy as np

from aurorascope.files import disk_errors


class Spool:
    """One array of one dimension, written piece by piece to a file that has no name and ends with the process.

    Args:
        folder: where the file lies.
        dtype: of the array.

    Attributes:
        size: entries so far.
    """

    def __init__(self, folder: Path, dtype: type | str) -> None:
        self.dtype, self.size, self._folder = np.dtype(dtype), 0, folder
        self._mapped = np.empty(0, self.dtype)
        with disk_errors(folder, every=True):
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder)
            os.unlink(name)
        self._file = os.fdopen(handle, "w+b")

    def append(self, values: np.ndarray) -> None:
        """Add values at the end.

        Raises:
            DiskError: the disk is full.
        """
        with disk_errors(self._folder, every=True):
            self._file.write(np.ascontiguousarray(values, self.dtype).data)
        self.size += len(values)

    def array(self) -> np.ndarray:
        """All that was appended, read-only."""
        if len(self._mapped) < self.size:
            with disk_errors(self._folder, every=True):
                self._file.flush()
            self._mapped = np.memmap(self._file, self.dtype, "r", shape=(self.size,))
        return self._mapped


def spans(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Places of spans one after the other: starts[0], starts[0] + 1, ... counts[0] of them, then from starts[1] on; int64."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - counts), counts) + np.arange(total)
