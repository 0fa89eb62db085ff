"""What is known of one day's job at the data store, on disk before it is acted on.

A killed run leaves this file; the next one attaches to the same job instead of asking for the day again. `submitting`
is written before the request is sent: a run killed between the store's answer and its being written down then knows
that there may be a job to look for.
"""

import datetime
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aurorascope.errors import UserError
from aurorascope.files import find_record, write_json


@dataclass
class JobState:
    """One day's job.

    Attributes:
        path: `job.json` in the day's work folder.
        request_sha256: digest of the request; a state of another request is void.
        id: the store's name of the job, or None.
        submitting: time (ISO, UTC) at which the request was sent, until its answer is known; else None.
        bad: ids of jobs whose result is of no use.
        failures: downloads of this job's result that failed.
        no_data: jobs that ended because the archive holds nothing for this day.
        zip: size and sha256 of the finished download beside this file, or None.
        ended: how the last run ended where trying again at once is pointless; the parts of its message, or None.
    """

    path: Path
    request_sha256: str
    id: str | None = None
    submitting: str | None = None
    bad: list[str] = field(default_factory=list)
    failures: int = 0
    no_data: int = 0
    zip: dict[str, Any] | None = None
    ended: dict[str, Any] | None = None

    @classmethod
    def load(cls, path: Path, request_sha256: str) -> "JobState":
        """The state on disk, or a new one where there is none of this request."""
        found = find_record(path, "ads_job")
        if found is None or found.get("request_sha256") != request_sha256:
            return cls(path, request_sha256)
        values = {key: value for key, value in found.items() if key in cls.__dataclass_fields__}
        return cls(**{**values, "path": path})

    def save(self) -> None:
        """Write it down."""
        values = {key: value for key, value in asdict(self).items() if key != "path"}
        write_json(self.path, {"kind": "ads_job", "format": 1, **values})

    def about_to_submit(self) -> None:
        """Note that a request is on its way."""
        self.submitting = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.save()

    def attach(self, job_id: str) -> None:
        """Note the job."""
        self.id, self.submitting, self.failures, self.zip, self.ended = job_id, None, 0, None, None
        self.save()

    def not_submitted(self) -> None:
        """Note that the store refused the request, so that there is no job to look for."""
        self.submitting = None
        self.save()

    def forget(self, *, for_good: bool) -> None:
        """Note that there is no such job; `for_good` that it is never to be found again though it succeeded."""
        if for_good and self.id is not None and self.id not in self.bad:
            self.bad.append(self.id)
        self.id, self.zip = None, None
        self.save()

    def end(self, error: UserError) -> UserError:
        """Note that another try within the same run of the workflow would end alike; returns the error."""
        self.ended = {"status": error.status} | {k: getattr(error, k) for k in ("where", "expected", "found", "fix")}
        self.save()
        return error
