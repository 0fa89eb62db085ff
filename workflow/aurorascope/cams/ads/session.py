"""One process's conversation with the data store: every call tried a bounded number of times, none sent twice unseen.

`cdsapi.Client` is the client; submitting and attaching go through its `.client`. Its own retries are off except while
bytes arrive, where they resume the transfer: by default they wait up to 16 hours, send a request again whose first
answer was lost, and ignore how long the server asks to wait.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from aurorascope.cams.ads.access import Access
from aurorascope.cams.ads.faults import Fault, classify
from aurorascope.cams.ads.meter import meter
from aurorascope.cams.request import DATASET
from aurorascope.config.model import Ads
from aurorascope.errors import TryAgainError

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
_LONGEST_WAIT_S = 600.0
_PAGE = 100


class StepError(Exception):
    """A call that failed for good in this run; `fault` is what that means."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault.error.one_line())


class Session:
    """The client with our own patience.

    Args:
        access: address and key.
        patience: tries and times.
        where: the day concerned, for messages.

    Attributes:
        client: `ecmwf.datastores.Client`, each of whose calls is sent once; use it inside `call`.
    """

    def __init__(self, access: Access, patience: Ads, where: str) -> None:
        import cdsapi

        self._patience, self._where = patience, where
        self.client = cdsapi.Client(
            url=access.url, key=access.key, verify=access.verify, quiet=True, progress=False,
            timeout=patience.timeout_s, retry_max=1, sleep_max=patience.poll_s,
            info_callback=_LOG.info, warning_callback=_LOG.warning, error_callback=_LOG.error,
            debug_callback=_LOG.debug,
        ).client

    def call(self, step: str, function: Callable[[], _T], tries: int | None = None) -> _T:
        """Call until it succeeds, fails for good, or has been tried often enough.

        Raises:
            StepError: with what the last failure means.
        """
        tries = self._patience.tries if tries is None else tries
        for number in range(1, tries + 1):
            try:
                return function()
            # Whatever the client and its transport raise; `classify` says what it means.
            except Exception as error:
                _LOG.debug("Step %s failed.", step, exc_info=True)
                fault = classify(self._where, step, error)
                if not fault.again or number == tries:
                    raise StepError(fault) from error
                self._pause(number, fault)
        raise AssertionError("unreachable: the last try returns or raises")

    def _pause(self, number: int, fault: Fault) -> None:
        wait = min(self._patience.retry_s * 2 ** (number - 1), _LONGEST_WAIT_S)
        # Two jobs that fail together must not come back together.
        wait = max(min(fault.wait_s or 0.0, _LONGEST_WAIT_S), wait * random.uniform(0.75, 1.25))
        _LOG.info("Trying again in %.0f s (%d of %d): %s", wait, number + 1, self._patience.tries, fault.error.found)
        time.sleep(wait)

    def find(self, request: dict[str, Any], without: list[str], thorough: bool) -> str | None:
        """The newest job of ours with this very request that may still give its result.

        Args:
            request: the canonical request.
            without: ids known to be of no use.
            thorough: look through ten pages of jobs instead of one, and ask for each job's request where the list
                does not say it.

        Returns:
            Its id, or None.
        """
        status = ["accepted", "running", "successful"]
        page = self.call("look", lambda: self.client.get_jobs(limit=_PAGE, sortby="-created", status=status))
        for left in reversed(range(10 if thorough else 1)):
            for job in page.json.get("jobs", []):
                if job.get("processID") == DATASET and job.get("jobID") not in without:
                    asked = self._asked(job, thorough)
                    if asked is not None and _plain(asked) == _plain(request):
                        return str(job["jobID"])
            following = self.call("look", lambda page=page: page.next) if left else None
            if following is None:
                return None
            page = following
        return None

    def _asked(self, job: dict[str, Any], thorough: bool) -> dict[str, Any] | None:
        request = (job.get("metadata") or {}).get("request") or {}
        if isinstance(request.get("ids"), dict):
            return request["ids"]
        if not thorough:
            return None
        try:
            return self.call("poll", lambda: self.client.get_remote(job["jobID"]).request)
        except StepError as error:
            if error.fault.gone:
                return None
            raise

    def attach(self, job_id: str) -> Any:
        """The job of that name."""
        return self.call("poll", lambda: self.client.get_remote(job_id))

    def submit(self, request: dict[str, Any]) -> Any:
        """Ask for the day, once: only a busy server that refused at the door (429) is asked again."""
        process = self.call("submit", lambda: self.client.get_process(DATASET))
        for number in range(1, self._patience.tries + 1):
            try:
                return self.call("submit", lambda: process.submit(request), tries=1)
            except StepError as error:
                refused = getattr(getattr(error.__cause__, "response", None), "status_code", None) == 429
                if not refused or number == self._patience.tries:
                    raise
                self._pause(number, error.fault)
        raise AssertionError("unreachable: the last try returns or raises")

    def wait(self, remote: Any) -> Any:
        """Look at the job until it has a result, and return the result's description."""
        for wait in self._looks():
            if self.call("poll", lambda: remote.results_ready):
                return self.call("results", lambda: _described(remote.get_results()))
            time.sleep(wait)
        raise AssertionError("unreachable: the looks never end")

    def _looks(self) -> Iterator[float]:
        wait = min(1.0, self._patience.poll_s)
        while True:
            yield wait * random.uniform(0.9, 1.1)
            wait = min(wait * 1.5, self._patience.poll_s)

    def download(self, results: Any, target: Path, what: str) -> int:
        """Fetch a result; transfers that break off are resumed. Returns its bytes, as many as the store announced."""
        size = results.content_length
        results.retry_options = {"maximum_tries": self._patience.tries, "retry_after": self._patience.retry_s}
        results.download_options = {"progress_bar": meter(what, size)}
        self.call("asset", lambda: results.download(str(target)), tries=1)
        if target.stat().st_size != size:
            found = f"{target.stat().st_size} bytes"
            raise StepError(Fault(TryAgainError(self._where, f"{size} bytes", found, "run the same command again")))
        return size


def _described(results: Any) -> Any:
    """The description of a result, if it says what must be known: size and address."""
    _ = results.content_length, results.location
    return results


def _plain(request: dict[str, Any]) -> dict[str, list[str]]:
    """A request as sorted texts: the store may give single values for lists of one, and other orders."""
    lists = {key: value if isinstance(value, list) else [value] for key, value in request.items()}
    return {key: sorted(map(str, value)) for key, value in lists.items()}
