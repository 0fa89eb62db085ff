"""One day from the data store into its work folder, at the price of at most one job whatever happens.

The order that makes it so: look for a job of ours, write down that a request is on its way, send it, write down its
name, wait. Whatever kills the process, the next one finds the job by what was written or by looking for it.
"""

import logging
import random
import shutil
import time
import urllib.parse
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aurorascope.cams.ads.access import find_access
from aurorascope.cams.ads.deadline import DeadlinePassed, deadline
from aurorascope.cams.ads.fatal import record_fatal, refuse_if_fatal
from aurorascope.cams.ads.job import JobState
from aurorascope.cams.ads.session import Session, StepError
from aurorascope.cams.request import DATASET, request_sha256
from aurorascope.cams.source import check_zip
from aurorascope.cams.variables import SURFACE
from aurorascope.config.model import Ads
from aurorascope.errors import FatalError, TryAgainError, UserError
from aurorascope.files import sha256_file
from aurorascope.spec import GRID

_LOG = logging.getLogger(__name__)
# Bytes a field and cell: as a zip, as states, and unpacked in between.
_CELL_BYTES = 4
_MOST_BYTES = 4 << 30
_MOST_FAILURES = 3


class AdsDay:
    """One day being fetched.

    Args:
        date: `YYYY-MM-DD`.
        folder: the folder of the days.
        request: the canonical request.
        patience: tries and times.
        attempt: which try within one run of the workflow this is, from 1.
    """

    def __init__(self, date: str, folder: Path, request: dict[str, Any], patience: Ads, attempt: int) -> None:
        self.date, self.folder, self.request, self.patience, self.attempt = date, folder, request, patience, attempt
        self.work = folder / f".{date}.work"
        self.zip = self.work / f"{date}.zip"
        self.where = f"the download of {date} from the Atmosphere Data Store"
        self.state = JobState.load(self.work / "job.json", request_sha256(request))

    def fetch(self, earlier_job: str | None) -> dict[str, Any]:
        """Get the zip of the day into the work folder, whole and with right checksums.

        Args:
            earlier_job: a job that gave this very request's result before, or None.

        Returns:
            Where it comes from: dataset, request, job, size, checksums, versions of the client.

        Raises:
            FatalError: the store refuses every day alike; `FATAL.json` says so to the other days.
            TryAgainError: it did not work this time; the job stays at the store.
            UserError: there is no space, or the archive has no such day.
        """
        refuse_if_fatal(self.folder, self.request)
        self._refuse_repeat()
        if not self._have_zip():
            try:
                self._fetch(earlier_job)
            except FatalError as error:
                record_fatal(self.folder, error, self.request)
                raise
        return self._origin(self.state.zip or {})

    def _refuse_repeat(self) -> None:
        """Within one run of the workflow, neither wait the whole time again nor fetch the same wrong day again."""
        ended = self.state.ended
        if self.attempt > 1 and ended is not None:
            kind = TryAgainError if ended["status"] == TryAgainError.status else UserError
            raise kind(*(str(ended[key]) for key in ("where", "expected", "found", "fix")))
        if ended is not None:
            self.state.ended = None
            self.state.save()
        if self.attempt > 1:
            time.sleep(self.patience.retry_s * (self.attempt - 1) * random.uniform(0.75, 1.25))

    def _have_zip(self) -> bool:
        kept = self.state.zip
        return kept is not None and self.zip.is_file() and sha256_file(self.zip) == kept["sha256"]

    def _fetch(self, earlier_job: str | None) -> None:
        access = find_access()
        for warning in access.warnings:
            _LOG.warning(warning)
        self._check_space(3 * self._raw_bytes() // 2)
        if self.state.id is None and earlier_job is not None and earlier_job not in self.state.bad:
            self.state.attach(earlier_job)
        try:
            with deadline(self.patience.wait_hours * 3600):
                session = Session(access, self.patience, self.where)
                results = self._result(session)
            # The transfer has its own time: a job that waited long is not to be given up when its bytes arrive.
            with deadline(self.patience.wait_hours * 3600):
                self._download(session, results)
        except StepError as error:
            raise error.fault.error from error
        except DeadlinePassed:
            raise self._too_long() from None

    def _raw_bytes(self) -> int:
        surface = len(SURFACE)
        fields = surface + (len(self.request["variable"]) - surface) * len(self.request["pressure_level"])
        return fields * len(self.request["time"]) * GRID[0] * GRID[1] * _CELL_BYTES

    def _check_space(self, need: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if free < need:
            raise self.state.end(
                UserError(
                    self.folder, f"{need / 1e9:.2f} GB free for one day (zip, its contents, states)",
                    f"{free / 1e9:.2f} GB", "free space, or set storage.scratch to another disk",
                )
            )

    def _too_long(self) -> UserError:
        name = f"job {self.state.id}" if self.state.id else "no job yet"
        return self.state.end(
            TryAgainError(
                self.where, f"a result within cams.ads.wait_hours ({self.patience.wait_hours:g} h)",
                f"none; {name} stays in the store's queue",
                "run the same command again later: it takes up the same job",
            )
        )

    def _result(self, session: Session) -> Any:
        """The description of a result: of the job of an earlier run, else of one found, else of a new one."""
        submitted = False
        while True:
            try:
                remote, new = self._job(session)
                submitted |= new
                return session.wait(remote)
            except StepError as error:
                fault = error.fault
                if not fault.gone:
                    raise
                _LOG.info("Job %s is of no use: %s", self.state.id, fault.error.found)
                self.state.forget(for_good=fault.expired)
                if fault.no_data:
                    self._count_no_data(fault.error)
                if submitted:
                    raise

    def _job(self, session: Session) -> tuple[Any, bool]:
        """The job, and whether it was asked for just now."""
        if self.state.id is not None:
            _LOG.info("Taking up job %s for %s.", self.state.id, self.date)
            return session.attach(self.state.id), False
        found = session.find(self.request, self.state.bad, thorough=self.state.submitting is not None)
        if found is not None:
            return self._take_up(session, found), False
        return self._submit(session), True

    def _take_up(self, session: Session, job_id: str) -> Any:
        _LOG.info("Found job %s for %s at the data store.", job_id, self.date)
        self.state.attach(job_id)
        return session.attach(job_id)

    def _submit(self, session: Session) -> Any:
        self.state.about_to_submit()
        try:
            remote = session.submit(self.request)
        except StepError as error:
            if isinstance(error.fault.error, FatalError):
                self.state.not_submitted()
                raise
            # The answer may be lost and the job made all the same.
            found = session.find(self.request, self.state.bad, thorough=True)
            if found is None:
                raise
            return self._take_up(session, found)
        self.state.attach(remote.request_id)
        _LOG.info("Asked for %s: job %s.", self.date, remote.request_id)
        return remote

    def _count_no_data(self, error: UserError) -> None:
        self.state.no_data += 1
        self.state.save()
        if self.state.no_data < 2:
            return
        fix = (
            f"the archive seems to lack that day: look at https://ads.atmosphere.copernicus.eu/datasets/{DATASET}; "
            f"to go on without it, add {self.date} to cams.missing_dates, which drops the snapshots that touch it"
        )
        raise self.state.end(UserError(error.where, "data for that day", f"none, twice: {error.found}", fix))

    def _download(self, session: Session, results: Any) -> None:
        size, address = results.content_length, urllib.parse.urlsplit(results.location)
        if address.scheme not in ("http", "https") or not 0 < size < _MOST_BYTES:
            self.state.forget(for_good=True)
            found = f"{size} bytes at an address that starts with {address.scheme}:"
            expected = f"a zip of less than {_MOST_BYTES >> 30} GB on the web"
            raise TryAgainError(self.where, expected, found, "run the same command again")
        self._check_space(size)
        try:
            session.download(results, self.zip, f"Downloading {self.date}")
            check_zip(self.zip, self.where)
        except (StepError, UserError) as error:
            self._count_failure()
            if isinstance(error, StepError):
                raise
            raise TryAgainError(error.where, error.expected, error.found, "run the same command again") from None
        self.state.zip = {"size": size, "sha256": sha256_file(self.zip)}
        self.state.save()

    def _count_failure(self) -> None:
        """Take up the same job a few times; a result that never arrives whole is asked for anew in the end."""
        self.state.failures += 1
        if self.state.failures >= _MOST_FAILURES:
            self.state.forget(for_good=True)
        self.state.save()

    def reject(self, error: UserError) -> UserError:
        """Set a whole zip with wrong contents aside; returns the error with its place."""
        kept = self.folder / f"{self.date}.rejected.zip"
        self.zip.replace(kept)
        self.state.forget(for_good=True)
        fix = f"look at {kept}; the same command asks for the day anew"
        return self.state.end(UserError(error.where, error.expected, error.found, fix))

    def _origin(self, kept: dict[str, Any]) -> dict[str, Any]:
        return {
            "dataset": DATASET,
            "request": self.request,
            "request_sha256": self.state.request_sha256,
            "job": self.state.id,
            "members": _members(self.zip),
            "client": {name: version(name) for name in ("cdsapi", "ecmwf-datastores-client", "multiurl")},
        } | kept


def _members(path: Path) -> dict[str, dict[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        return {m.filename: {"size": m.file_size, "crc32": f"{m.CRC:08x}"} for m in archive.infolist()}
