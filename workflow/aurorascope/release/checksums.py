"""Compare the files of a release with `SHA256SUMS`, reading none that its own record has already vouched for."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from aurorascope.errors import UserError, remake, snakemake
from aurorascope.files import sha256_file

_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


@dataclass(frozen=True)
class Vouched:
    """A record that was compared with the files it stands for.

    Attributes:
        record: its path.
        files: the sha256 that it names of each file; empty where it could not be read.
        is_sound: whether they all agreed; where not, that has been said.
    """

    record: Path
    files: dict[Path, str]
    is_sound: bool


def check_sums(sums: Path, vouched: Iterable[Vouched], step: Callable[[], None] = lambda: None) -> list[UserError]:
    """What is wrong with the files that `SHA256SUMS` names, or with itself.

    Args:
        sums: `results/SHA256SUMS`.
        vouched: records beside it, already compared with their files, which are not read again.
        step: called after each file.

    Returns:
        An error for each line that is none and each file that is missing or altered; one for all files that their own
        records name otherwise, which were made anew since; and one where it is not there itself, beside an index. No file's own
        command writes `SHA256SUMS` anew: it would take other files, still damaged, for what they should be.
    """
    if not sums.is_file():
        index = sums.parent / "sae_index.json"
        fix = snakemake(f"{sums} --cores 1")
        return [UserError(sums, f"the digests of the release that {index} begins", "no such file", fix)] if index.is_file() else []
    wanted, faults = _read(sums, remake(sums))
    known, newer = _known(wanted, vouched)
    if newer:
        found = f"older digests of {len(newer)} files, such as {newer[0]}"
        faults.append(UserError.stale(sums, "what the records of the release name", found))
    for path, digest in wanted.items():
        if path not in known:
            if not path.is_file():
                faults.append(UserError(path, f"the file that {sums} names", "no such file", snakemake(f"{path} --cores 1")))
            elif (found := sha256_file(path)) != digest:
                faults.append(UserError(path, f"sha256 {digest}, as {sums} says", f"sha256 {found}", remake(path)))
        step()
    return faults


def count(sums: Path) -> int:
    """Number of files that it names; 0 where it is not there."""
    return len(_read(sums, "")[0]) if sums.is_file() else 0


def _read(sums: Path, fix: str) -> tuple[dict[Path, str], list[UserError]]:
    """Digest of each file, and what is wrong with lines."""
    wanted, faults = {}, []
    for number, line in enumerate(sums.read_text(errors="replace").splitlines(), 1):
        match = _LINE.fullmatch(line)
        if match:
            wanted[sums.parent / match[2]] = match[1]
        else:
            faults.append(UserError(f"{sums}, line {number}", "a sha256 and a file's name", repr(line[:100]), fix))
    return wanted, faults


def _known(wanted: dict[Path, str], vouched: Iterable[Vouched]) -> tuple[set[Path], list[Path]]:
    """Files not to be looked at, and those among them that sound records name otherwise."""
    known, newer = set(), []
    for one in vouched:
        others = [path for path, digest in one.files.items() if one.is_sound and wanted.get(path, digest) != digest]
        newer += others
        known |= set(one.files)
        if others or not one.is_sound:
            known.add(one.record)
    return known, newer
