"""A folder that one process at a time may write in."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from aurorascope.errors import TryAgainError
from aurorascope.files import disk_error


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, making the folder; the system frees it even when the process is killed.

    Raises:
        TryAgainError: another process holds it.
        UserError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise disk_error(folder, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise TryAgainError(
            folder,
            "one writer at a time",
            "another process holds the lock",
            "wait for it to end, or end it (on a cluster: squeue --me, then scancel JOB), then run the same command again",
        ) from None
    try:
        yield
    finally:
        os.close(handle)
