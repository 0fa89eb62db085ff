"""Finished results that a job of many left beside their places, for each block's or day's own job to adopt.

A block's wait in a small results folder of its own, `scratch/waiting/<kind>/<block>` (of an outcome's attributions
`scratch/waiting/attribution/<outcome>/<block>`), with the record and the files that
it stands for under the names that they will have; a day's in `scratch/waiting/<kind>/<date>/day`, with whatever lies beside
its record. Nothing heavy is imported here, so that 48 jobs that adopt cost seconds.
"""

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aurorascope.errors import UserError
from aurorascope.files import publish_folder, sha256_file, write_bytes, write_json
from aurorascope.locks import folder_lock
from aurorascope.records import Kind

_LOG = logging.getLogger(__name__)
# Written last: the digest of everything that waits; of a day also its claim.
_COMPLETE = "complete.json"
_UNFIT = (OSError, ValueError, KeyError, TypeError, AttributeError, UserError)


class Waiting:
    """One block's result of one kind, in its place or waiting for it.

    A *claim* is a part of the record that says what it must have been made from.

    Args:
        kind: of its record.
        results: the results folder.
        block_id: the block.
        names: what else stands in the record's path.

    Attributes:
        results: the folder that takes the place of `results` while it waits.
    """

    def __init__(self, kind: Kind, results: Path, block_id: str, **names: str) -> None:
        self._kind, self._place, self._names = kind, results, {**names, "block": block_id}
        self.results = results.joinpath("scratch", "waiting", kind.name, *self._names.values())

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the folder, for whoever makes what will wait in it."""
        return folder_lock(self.results)

    def is_made(self, claim: Mapping[str, Any]) -> bool:
        """Whether a whole result of this claim is in its place or waits."""
        return self._is_whole(self._place, claim) or self._waiting(claim) is not None

    def is_waiting(self, claim: Mapping[str, Any]) -> bool:
        """Whether a result of this claim waits; whoever adopts it looks at its digests, too."""
        return (self.results / _COMPLETE).is_file() and self._answers(self.results, claim) is not None

    def leave(self, beside: Sequence[str] = ()) -> None:
        """Say that record and files under `results` are finished; `beside` are files that no digest of the record covers."""
        names = [*beside, *self._kind.files, self._kind.path]
        paths = [name.format(**self._names) for name in names]
        write_json(self.results / _COMPLETE, {"files": [[path, sha256_file(self.results / path)] for path in paths]})

    def adopt(self, claim: Mapping[str, Any]) -> bool:
        """Put what waits of this claim in its place, the record last; False where nothing does."""
        paths = self._waiting(claim)
        if paths is None:
            if self.is_waiting(claim):
                _LOG.warning("%s: its files do not have their digests; what waited there is made anew.", self.results)
            return False
        for path in paths:
            write_bytes(self._place / path, (self.results / path).read_bytes())
        shutil.rmtree(self.results, ignore_errors=True)
        return True

    def _waiting(self, claim: Mapping[str, Any]) -> list[str] | None:
        try:
            files = json.loads((self.results / _COMPLETE).read_text())["files"]
            is_whole = all(sha256_file(self.results / path) == digest for path, digest in files)
        except _UNFIT:
            return None
        return [path for path, _ in files] if is_whole and self._is_whole(self.results, claim) else None

    def _is_whole(self, results: Path, claim: Mapping[str, Any]) -> bool:
        try:
            named = self._answers(results, claim)
            return named is not None and all(sha256_file(file) == digest for file, digest in named.items())
        except OSError:
            return False

    def _answers(self, results: Path, claim: Mapping[str, Any]) -> dict[Path, str] | None:
        """Digests of the files of a record of this claim; None where there is no such record."""
        try:
            record, path = self._kind.read(results, **self._names), self._kind.where(results, **self._names)
            return self._kind.digests(path, record) if {key: record[key] for key in claim} == dict(claim) else None
        except _UNFIT:
            return None


class WaitingDay:
    """One day's record and all that lies beside it, waiting for its place.

    Its claim, what it must have been made from, is JSON and stands beside it, since a day's record need not say it.
    """

    def __init__(self, kind: str, scratch: Path, date: str, claim: Mapping[str, Any]) -> None:
        self._folder, self._date, self._claim = scratch / "waiting" / kind / date / "day", date, dict(claim)

    def is_there(self) -> bool:
        """Whether anything waits; whoever adopts it looks at what."""
        return self._folder.is_dir()

    def make(self, make: Callable[[Path], None], is_made: Callable[[], bool]) -> None:
        """Have `make(record)` write the day where it waits, unless it is made or waits already.

        Raises:
            TryAgainError: another process is at it.
        """
        if is_made():
            # Before the lock, which would leave a folder that nobody adopts.
            _LOG.info("%s is made already.", self._date)
            return
        with folder_lock(self._folder.parent):
            if is_made() or self._whole() is not None:
                _LOG.info("%s is made already.", self._date)
                return
            shutil.rmtree(self._folder, ignore_errors=True)
            make(self._folder / f"{self._date}.json")
            files = sorted(path for path in self._folder.rglob("*") if path.is_file())
            digests = {str(path.relative_to(self._folder)): sha256_file(path) for path in files}
            write_json(self._folder / _COMPLETE, {"claim": self._claim, "files": digests})

    def adopt(self, record: Path) -> bool:
        """Put what waits in its place, the record last; False where nothing of this claim does. Afterwards nothing waits.

        Raises:
            TryAgainError: another process is at it.
        """
        if not self.is_there():
            return False
        with folder_lock(self._folder.parent):
            names = self._whole()
            for name in (names or set()) - {record.name}:
                if (self._folder / name).is_dir():
                    publish_folder(self._folder / name, record.with_name(name))
                else:
                    os.replace(self._folder / name, record.with_name(name))
            if names is not None:
                write_bytes(record, (self._folder / record.name).read_bytes())
        shutil.rmtree(self._folder.parent, ignore_errors=True)
        return names is not None

    def _whole(self) -> set[str] | None:
        """Names of a finished day's files and folders; None where it was made from something else or is damaged."""
        with contextlib.suppress(OSError, ValueError, KeyError, AttributeError):
            content = json.loads((self._folder / _COMPLETE).read_text())
            files = content["files"].items()
            if content["claim"] == self._claim and all(sha256_file(self._folder / name) == digest for name, digest in files):
                return {name.split("/")[0] for name, _ in files}
        return None
