"""The NetCDF and GRIB files of a day, wherever they are: files, folders of them, or zips of them.

Members of a zip are never extracted under their own names: those that are data, wherever they lie in the zip, are copied
to fixed names in a private folder.
"""

import contextlib
import errno
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from aurorascope.cams.suffixes import is_data
from aurorascope.errors import DiskError, UserError

# Bytes that a day's download may unpack to, and a zip of the user's, a month of days say.
MOST_DAY, MOST_LOCAL = 4 << 30, 64 << 30
_MOST_RATIO = 100
FETCH = "fetch that day again with all 22 variables, these levels and hours, and no area"
# What a folder answers that is full or that nothing can be unpacked in.
_NO_ROOM = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR,
}


class File(NamedTuple):
    """One file of data: what messages call it, and where it is."""

    name: str
    path: Path


@contextlib.contextmanager
def open_files(
    sources: Sequence[Path], where: object = None, work: Path | None = None, fix: str = FETCH, most: int = MOST_DAY
) -> Iterator[list[File]]:
    """The files of data in some sources, as long as the block lasts.

    Args:
        sources: files, folders of files, or zips.
        where: what messages call the one source; the path of each if None.
        work: folder in which zips are unpacked for as long as the block lasts; the system's if None.
        fix: what messages advise.
        most: bytes that a zip may unpack to.

    Raises:
        UserError: a source is missing or holds no file of data, or a zip is broken or hostile.
        DiskError: the folder to unpack in is full or not there.
    """
    files: list[File] = []
    with contextlib.ExitStack() as stack:
        for source in sources:
            name = source if where is None else where
            if source.is_dir():
                inside = [path for path in sorted(source.rglob("*")) if is_data(path.name) and path.is_file()]
                found = [File(f"{name}, {path.relative_to(source)}", path) for path in inside]
                listing = [path.name for path in sorted(source.iterdir())]
            elif not source.is_file():
                raise UserError(name, "a zip, a NetCDF or GRIB file, or a folder of such files", "no such file", fix)
            elif is_data(source.name) and not zipfile.is_zipfile(source):
                found, listing = [File(str(name), source)], []
            else:
                with _room(work):
                    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="aurorascope-", dir=work))
                found, listing = _copy_members(source, Path(folder), name, work, fix, most)
            if not found:
                raise UserError(name, "NetCDF or GRIB files", ", ".join(listing[:8]) or "nothing", fix)
            files += found
        yield files


@contextlib.contextmanager
def _room(work: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        folder = work or tempfile.tempdir or "the system's temporary folder"
        fix = f"make room in {folder}" + ("" if work else ", or let TMPDIR name a larger folder")
        expected = "room for the unpacked files of a day"
        raise DiskError(folder, expected, error.strerror, f"{fix}, then run the same command again") from None


def check_zip(path: Path, where: object) -> None:
    """Check that a file is a whole zip with harmless members and right checksums.

    Raises:
        UserError: it is not.
    """
    with _broken_zip(where, FETCH), zipfile.ZipFile(path) as archive:
        _check_members(archive, where, MOST_DAY, FETCH)


@contextlib.contextmanager
def _broken_zip(where: object, fix: str) -> Iterator[None]:
    # A damaged header can ask for an encryption (RuntimeError) or a compression (NotImplementedError) zipfile lacks.
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise UserError(where, "a whole zip file", " ".join(str(error).split())[:200], fix) from None
    except OSError as error:
        raise UserError(where, "a readable zip file", error.strerror or str(error)[:200], fix) from None


def _check_members(archive: zipfile.ZipFile, where: object, most: int, fix: str) -> None:
    members = archive.infolist()
    for member in members:
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ".." in PurePosixPath(name).parts or name[1:2] == ":":
            raise UserError(where, "member names inside the zip", f"a hostile name, {member.filename!r}", fix)
    unpacked, packed = sum(m.file_size for m in members), sum(m.compress_size for m in members)
    if unpacked > most or unpacked > _MOST_RATIO * max(packed, 1) + (1 << 20):
        found = f"{unpacked} bytes unpacked out of {packed}"
        raise UserError(where, f"at most {most >> 30} GB and {_MOST_RATIO} times the packed size", found, fix)
    corrupt = archive.testzip()
    if corrupt is not None:
        raise UserError(where, "members that match their checksums", f"{corrupt!r} does not", fix)


def _copy_members(
    source: Path, folder: Path, where: object, work: Path | None, fix: str, most: int
) -> tuple[list[File], list[str]]:
    """The members that are data, copied, and the names of all."""
    files = []
    with _broken_zip(where, fix), zipfile.ZipFile(source) as archive:
        _check_members(archive, where, most, fix)
        members = sorted(member for member in archive.namelist() if not member.endswith("/"))
        for number, name in enumerate(filter(is_data, members)):
            target = folder / f"{number}{PurePosixPath(name).suffix.lower()}"
            with _room(work), archive.open(name) as packed, open(target, "wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
            files.append(File(f"{where}, {name}", target))
    return files, members
