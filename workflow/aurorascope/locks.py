"""A folder that one process at a time may write in."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from aurorascope.errors import TryAgainError, UserError
from aurorascope.files import disk_errors

# What `flock` raises where the file system does not have it, or its lock daemon does not run.
_NO_FLOCK = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder's lock, making the folder; the system frees it even when the process is killed.

    Raises:
        TryAgainError: another process holds it.
        UserError: the folder cannot be written, or its file system has no `flock`.
    """
    with disk_errors(folder, every=True):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(folder, handle)
        yield
    finally:
        os.close(handle)


def _lock(folder: Path, handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise TryAgainError(
            folder,
            "one writer at a time",
            "another process holds the lock",
            "wait for it to end, or end it (on a cluster: squeue --me, then scancel JOB), then run the same command again",
        ) from None
    except OSError as error:
        if error.errno not in _NO_FLOCK:
            raise
        raise UserError(
            folder,
            "a file system with flock, which keeps two jobs from writing in one folder",
            error.strerror or str(error),
            "have it mounted with flock (Lustre: the mount option `flock`), or put storage.scratch, or the whole folder of the "
            "run, on another file system",
        ) from error
