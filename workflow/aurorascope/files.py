"""Files that are complete or absent: atomic writes, digests, and the small JSON records that stand for heavy files.

An output under its final name is complete. This module holds the only code that opens outputs for writing; the
activation and state stores, which zarr writes into working folders, end with `publish_folder`.

Records are content only (no time of making, host, path or version): Snakemake compares them by content, so the same
content made again changes nothing downstream.
"""

import contextlib
import errno
import glob
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from aurorascope.errors import DiskError, UserError

_BLOCK = 1 << 20
_PARTIAL = ".partial"
# What a full disk, a quota, a file size limit, missing rights or a broken disk look like when writing.
_WRITE_ERRORS = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOTDIR,
}


def sha256_bytes(data: bytes | memoryview) -> str:
    """Hex sha256 of a buffer."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path | str) -> str:
    """Hex sha256 of a file's bytes, never whole in memory."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def blake3_bytes(*pieces: bytes | memoryview) -> str:
    """Hex BLAKE3 of buffers, one after the other; four times as fast as sha256, for bytes that come by the terabyte."""
    from blake3 import blake3

    digest = blake3()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def blake3_file(path: Path | str) -> str:
    """Hex BLAKE3 of a file's bytes, read in pieces of 1 MiB."""
    from blake3 import blake3

    digest = blake3()
    with open(path, "rb") as file:
        while piece := file.read(_BLOCK):
            digest.update(piece)
    return digest.hexdigest()


def sha256_json(value: Any) -> str:
    """Hex sha256 of a value's canonical JSON (sorted keys, no spaces, no NaN)."""
    return sha256_bytes(json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode())


def _fsync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def atomic_write(path: Path | str, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file that becomes `path` only when the block ends without error.

    The file and its folder are synced before and after the rename; on any error the temporary file is removed and
    `path` is left as it was.

    Raises:
        UserError: the folder is read-only or the disk is full.
    """
    path = Path(path)
    with disk_errors(path, every=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=_before(path), suffix=_PARTIAL, dir=path.parent)
    try:
        # The caller's block may fail for reasons of its own, a source that is missing, say.
        with disk_errors(path):
            with os.fdopen(handle, mode) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            # mkstemp makes files private; outputs follow the user's umask like any other file.
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, path)
            temporary = None
            _fsync(path.parent)
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


def _before(path: Path) -> str:
    """How the names of files begin that are being written for `path`."""
    return f".{path.name}."


def sweep(path: Path) -> None:
    """Delete what kills left of writing `path`. Whoever calls this holds a lock that keeps other writers of it out.

    Raises:
        DiskError: the disk is read-only or broken.
    """
    with disk_errors(path):
        for left in path.parent.glob(f"{glob.escape(_before(path))}*{_PARTIAL}"):
            # Another file's name may begin with this one's.
            if "." not in left.name.removeprefix(_before(path)).removesuffix(_PARTIAL):
                left.unlink()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def disk_error(path: Path | str, error: OSError) -> DiskError:
    """The error for a failed write: full disk, read-only folder, or whatever the system says."""
    path = Path(path)
    return DiskError(
        path,
        "a writable place with enough free space",
        error.strerror or str(error),
        f"{_way_out(path, error.errno)}, then run the same command again",
    )


def _way_out(path: Path, number: int | None) -> str:
    for each in (path, *path.parents):
        if each.is_symlink() and not each.exists():
            return f"make the folder {os.readlink(each)}, to which {each} is a link and which is not there, or remove that link"
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"free space in {path.parent}"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"mend the permissions of {path.parent}"
    return f"free space or mend the permissions of {path.parent}"


@contextlib.contextmanager
def disk_errors(path: Path | str, *, every: bool = False) -> Iterator[None]:
    """Within this block, what a full, read-only or broken disk raises becomes the one error; every `OSError`, if so asked.

    Raises:
        DiskError: naming `path`.
    """
    try:
        yield
    except OSError as error:
        if not every and error.errno not in _WRITE_ERRORS:
            raise
        raise disk_error(path, error) from error


def publish_folder(work: Path, final: Path) -> None:
    """Rename a finished working folder to its final name, replacing an older one.

    The older folder steps aside first and is deleted afterwards, so that `final` is never half one and half the other.
    All files are synced before, so that what bears the final name outlives a power cut.
    """
    aside = final.with_name(f".{final.name}.old-{os.getpid()}")
    try:
        for path in (work, *work.rglob("*")):
            _fsync(path)
        if final.exists():
            os.replace(final, aside)
        os.replace(work, final)
        _fsync(final.parent)
    except OSError as error:
        if aside.exists() and not final.exists():
            os.replace(aside, final)
        raise disk_error(final, error) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_bytes(path: Path | str, data: bytes | memoryview) -> None:
    """Write a buffer atomically."""
    with atomic_write(path) as file:
        file.write(data)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, text.encode())


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON atomically: sorted keys, two spaces, final newline; NaN and infinity are refused."""
    write_text(path, json.dumps(value, sort_keys=True, indent=2, allow_nan=False) + "\n")


def write_table(path: Path | str, frame: Any) -> None:
    """Write a pandas.DataFrame as Parquet atomically, without its index; the bytes depend on its content alone."""
    # Through memory: pandas opens what it is given a path of under its final name.
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_bytes(path, buffer.getbuffer())


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


def read_record(path: Path | str, kind: str) -> dict[str, Any]:
    """Read a record and check that it is of the given kind.

    Raises:
        UserError: the file is missing, is not JSON, or is a record of another kind.
    """
    path = Path(path)
    try:
        value = json.loads(path.read_text(), parse_constant=_refuse_constant)
    except FileNotFoundError:
        raise UserError.stale(path, f"a record of kind {kind}", "no such file") from None
    except ValueError as error:  # not UTF-8, not JSON, or not a number
        raise UserError.stale(path, f"a JSON record of kind {kind}", f"unreadable JSON ({error})") from None
    found = value.get("kind") if isinstance(value, dict) else type(value).__name__
    if found != kind:
        raise UserError.stale(path, f"a record of kind {kind}", f"kind {found}")
    return value


def results_folder(path: Path | str) -> Path:
    """A folder of results that a user names.

    Raises:
        UserError: there is no such folder, or it is another one of a clone.
    """
    folder = Path(path)
    if not folder.is_dir() or not ((folder / "scratch").exists() or (folder / "run.json").exists() or folder.resolve().name == "results"):
        found = "a folder without scratch and run.json" if folder.is_dir() else "no such folder"
        fix = f"give results=, the folder `results` of a clone; by itself it is looked for in {Path.cwd()}"
        raise UserError(path, "the results folder of a run", found, fix)
    return folder


def find_record(path: Path | str, kind: str) -> dict[str, Any] | None:
    """As `read_record`, for whoever can do without: None where the record is missing, damaged or of another kind."""
    try:
        return read_record(path, kind)
    except UserError:
        return None


def check_file(path: Path | str, sha256: str, record: Path | str) -> None:
    """Check that the heavy file which `record` stands for is there with the digest the record names.

    Raises:
        UserError: the file is missing or its bytes differ; the message ends with the command that rebuilds it.
    """
    if not Path(path).is_file():
        raise UserError.stale(path, f"the file that {record} stands for", "no such file", record)
    found = sha256_file(path)
    if found != sha256:
        raise UserError.stale(path, f"sha256 {sha256}", f"sha256 {found}", record)
