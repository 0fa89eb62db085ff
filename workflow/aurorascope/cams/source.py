"""The pair of NetCDF files of a day, safely out of a zip or straight from a folder.

Members are never extracted under their own names: the two that are expected, wherever they lie in the zip, are copied
to fixed names in a private folder.
"""

import contextlib
import errno
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from aurorascope.errors import DiskError, UserError

# Current and older name of the member with the surface fields and of that with the levels.
MEMBERS = {"surface": ("data_sfc.nc", "levtype_sfc.nc"), "atmos": ("data_plev.nc", "levtype_pl.nc")}
_MOST_BYTES = 4 << 30
_MOST_RATIO = 100
_FIX = "delete it and fetch that day again"
# What a folder answers that is full or that nothing can be unpacked in.
_NO_ROOM = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR,
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """The two files of a day.

    Attributes:
        where: what messages call the source.
        files: path of each kind, "surface" and "atmos".
        names: name of each kind's file in the source.
    """

    where: object
    files: dict[str, Path]
    names: dict[str, str]

    def name(self, kind: str) -> str:
        """What messages call one of the files."""
        return f"{self.where}, {self.names[kind]}"


@contextlib.contextmanager
def open_pair(source: Path, where: object, work: Path | None = None) -> Iterator[Pair]:
    """The pair of files of a day, as long as the block lasts.

    Args:
        source: a zip, or a folder with the extracted pair.
        where: what messages call it.
        work: folder in which a zip is unpacked for as long as the block lasts; the system's if None.

    Raises:
        UserError: the source or one of the pair is missing, or the zip is broken or hostile.
        DiskError: the folder to unpack in is full or not there.
    """
    if source.is_dir():
        names = _choose([path.name for path in source.iterdir()], where)
        yield Pair(where, {kind: source / name for kind, name in names.items()}, names)
        return
    if not source.is_file():
        raise UserError(where, "a zip, or a folder with the extracted pair of .nc files", "no such file", _FIX)
    with contextlib.ExitStack() as stack:
        with _room(work):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="aurorascope-", dir=work))
        files, names = _copy_members(source, Path(folder), where, work)
        yield Pair(where, files, names)


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
    with _broken_zip(where), zipfile.ZipFile(path) as archive:
        _check_members(archive, where)


@contextlib.contextmanager
def _broken_zip(where: object) -> Iterator[None]:
    # A damaged header can ask for an encryption (RuntimeError) or a compression (NotImplementedError) zipfile lacks.
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError) as error:
        raise UserError(where, "a whole zip file", " ".join(str(error).split())[:200], _FIX) from None
    except OSError as error:
        raise UserError(where, "a readable zip file", error.strerror or str(error)[:200], _FIX) from None


def _check_members(archive: zipfile.ZipFile, where: object) -> None:
    members = archive.infolist()
    for member in members:
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ".." in PurePosixPath(name).parts or name[1:2] == ":":
            raise UserError(where, "member names inside the zip", f"a hostile name, {member.filename!r}", _FIX)
    unpacked, packed = sum(m.file_size for m in members), sum(m.compress_size for m in members)
    if unpacked > _MOST_BYTES or unpacked > _MOST_RATIO * max(packed, 1) + (1 << 20):
        found = f"{unpacked} bytes unpacked out of {packed}"
        raise UserError(where, f"at most {_MOST_BYTES >> 30} GB and {_MOST_RATIO} times the packed size", found, _FIX)
    corrupt = archive.testzip()
    if corrupt is not None:
        raise UserError(where, "members that match their checksums", f"{corrupt!r} does not", _FIX)


def _copy_members(
    source: Path, folder: Path, where: object, work: Path | None
) -> tuple[dict[str, Path], dict[str, str]]:
    files = {kind: folder / names[0] for kind, names in MEMBERS.items()}
    with _broken_zip(where), zipfile.ZipFile(source) as archive:
        _check_members(archive, where)
        names = _choose([member for member in archive.namelist() if not member.endswith("/")], where)
        for kind, name in names.items():
            with _room(work), archive.open(name) as packed, open(files[kind], "wb") as plain:
                shutil.copyfileobj(packed, plain, 1 << 20)
    return files, names


def _choose(found: Iterable[str], where: object) -> dict[str, str]:
    """Name of each kind's file among those found, by the last part of its path."""
    found = sorted(found)
    chosen = {}
    for kind, wanted in MEMBERS.items():
        matches = [name for name in found if PurePosixPath(name).name in wanted]
        if len(matches) != 1:
            listing = ", ".join(found[:8]) or "nothing"
            raise UserError(where, f"one file named {' or '.join(wanted)}", listing, _FIX)
        chosen[kind] = matches[0]
    return chosen
