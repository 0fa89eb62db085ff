"""The user's files against what the days of a run were read from; a file that was corrected may keep its old time."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from aurorascope.cams.local.index import index_path
from aurorascope.cams.local.listing import list_files
from aurorascope.errors import UserError
from aurorascope.files import read_record, sha256_file
from aurorascope.progress import Progress, tell


def verify_sources(folder: Path, directory: str | Sequence[str]) -> list[UserError]:
    """Hash the files of `cams.directory` that the days in a folder were read from; says what it found.

    Returns:
        An error for each file, and each state of it that a day was read from, that holds something else now. A file that is
        gone is told of and no error: its days are made.
    """
    # A file that was corrected between two days has two digests, of which it can hold one.
    expected: dict[str, dict[str, str]] = {}
    for name, digest, date in _recorded(folder):
        expected.setdefault(name, {}).setdefault(digest, date)
    if not expected:
        return []
    try:
        there = {file.name: file.path for file in list_files(directory)}
    except UserError as error:
        tell(f"The files that days were read from are not there to be compared: {error.one_line()}")
        return []
    gone = sorted(name for name in expected if name not in there)
    if gone:
        tell(f"{len(gone)} files that days were read from are gone, {gone[0]} say.")
    progress, errors = Progress("Verifying your files", len(expected) - len(gone), "file"), []
    for name, digests in expected.items():
        if name not in there:
            continue
        found = sha256_file(there[name])
        for digest, date in digests.items():
            if found == digest:
                continue
            fix = f"rm -f {index_path(folder / 'local')}, and run your command again, which makes its days anew"
            errors.append(UserError(there[name], f"sha256 {digest}, as {date} was read", f"sha256 {found}", fix))
            tell(errors[-1].one_line())
        progress.step()
    progress.close()
    n_changed = len({error.where for error in errors})
    tell(f"{len(expected) - len(gone)} files that days were read from: {n_changed} changed.")
    return errors


def _recorded(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Name, sha256 and date of each file that a day was read from."""
    for path in sorted(folder.glob("*.source.json")):
        record = read_record(path, "day_source")
        for file in record["files"]:
            yield file["name"], file["sha256"], record["date"]
