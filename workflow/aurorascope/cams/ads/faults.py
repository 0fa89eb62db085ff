"""What an answer of the data store means: try the call again, ask for the day again, give up for now, or stop all days.

The client raises the same `HTTPError` for a wrong key, a failed job and a busy server; status, step and text tell them
apart.
"""

import errno
import re
from dataclasses import dataclass
from typing import Any

from aurorascope.cams.request import DATASET
from aurorascope.errors import DiskError, FatalError, TryAgainError, UserError
from aurorascope.redact import redact

LICENCES = f"https://ads.atmosphere.copernicus.eu/datasets/{DATASET}?tab=download#manage-licences"
_CHECK = "then run: snakemake -c1 check_access"
_LATER = (
    "run the same command again later; if it stays so, look at https://ads.atmosphere.copernicus.eu/live "
    "and at your requests on the site"
)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BUSY = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Fault:
    """What one failure means.

    Attributes:
        error: what the user reads if the run ends with it.
        again: the same call may succeed in a moment.
        gone: the job, or its result, is no more, or will never be.
        expired: the job is still listed, but its result is no more.
        no_data: the archive holds nothing for this day.
        wait_s: how long the server asks to wait, or None.
    """

    error: UserError
    again: bool = False
    gone: bool = False
    expired: bool = False
    no_data: bool = False
    wait_s: float | None = None


def text_of(error: BaseException) -> str:
    """One line of at most 600 characters that holds no key, and of the store's own tracebacks only the last line."""
    lines = [line for line in str(error).splitlines() if not line.startswith((" ", "\t", "Traceback (most recent"))]
    response = getattr(error, "response", None)
    if response is None:
        lines.insert(0, f"{type(error).__name__}:")
    else:
        # The client's first line repeats the address.
        lines[:1] = [f"{response.status_code} {response.reason}" + ":" * (len(lines) > 1)]
    return redact(" ".join(" ".join(lines).split()))[:600].rstrip(".")


def classify(where: str, step: str, error: Exception) -> Fault:
    """Tell what a failure of the client means.

    Args:
        where: the day concerned, for the message.
        step: "look" (an earlier job of ours), "submit", "poll", "results" or "asset".
        error: what the client raised.

    Returns:
        Its meaning; `error` in it is a `FatalError` where all days would fail alike.
    """
    import requests

    response = getattr(error, "response", None)
    if isinstance(error, requests.HTTPError) and response is not None:
        return _of_status(where, step, error, response)
    if type(error).__name__ == "ProcessingFailedError":
        return _of_job(where, text_of(error))
    if isinstance(error, OSError) and error.errno in _FULL:
        fix = "free space on the disk of results/scratch, then run the same command again"
        return Fault(DiskError(where, "a disk with enough free space", error.strerror or text_of(error), fix))
    if isinstance(error, requests.exceptions.SSLError):
        return Fault(
            FatalError(
                where, "a certificate that can be trusted", text_of(error),
                f"ask who runs your network whether a proxy stands in between, {_CHECK}",
            )
        )
    if isinstance(error, requests.exceptions.InvalidHeader | requests.exceptions.InvalidURL):
        found = f"{type(error).__name__}, so a strange character in one of them"
        return Fault(FatalError(where, "a usable address and key", found, f"correct them, {_CHECK}"))
    if isinstance(error, requests.exceptions.JSONDecodeError):
        found = "an answer that is not JSON (a login page of your network, or of the store's own front)"
        return Fault(TryAgainError(where, "an answer of the data store", found, _LATER), again=True)
    if isinstance(error, requests.exceptions.RequestException):
        return Fault(TryAgainError(where, "an answer of the data store", text_of(error), _LATER), again=True)
    # A size that differs, an answer without the parts it must have: nothing that is known to last.
    return Fault(TryAgainError(where, "a whole answer of the data store", text_of(error), _LATER), again=step != "asset")


def _of_status(where: str, step: str, error: Exception, response: Any) -> Fault:
    text, status = text_of(error), response.status_code
    if status == 401:
        return Fault(FatalError(where, "a key that the data store knows", text, f"correct the key, {_CHECK}"))
    if status == 403 and step in ("poll", "results"):
        found = f"it is not ours to see (another account's key?): {text}"
        return Fault(TryAgainError(where, "the job asked for before", found, "run the same command again"), gone=True)
    if status == 403 and step != "asset":
        return Fault(_forbidden(where, text))
    if status in _BUSY:
        error = TryAgainError(where, "an answer of the data store", text, _LATER)
        return Fault(error, again=True, wait_s=_retry_after(response))
    if status == 404 and step == "submit":
        return Fault(FatalError(where, f"a store that has {DATASET}", text, f"correct the url, {_CHECK}"))
    if status == 404 and step in ("poll", "results"):
        found = f"it is no more: {text}"
        error = TryAgainError(where, "the job asked for before", found, "run the same command again")
        return Fault(error, gone=True, expired=step == "results")
    if step in ("poll", "results") and status == 400:
        return _of_job(where, text)
    if step == "submit":
        found = f"a refusal: {text}"
        fix = f"correct what it names (cams.levels, dates), {_CHECK}"
        return Fault(FatalError(where, "a request that the data store accepts", found, fix))
    return Fault(TryAgainError(where, "an answer of the data store", text, _LATER))


def _forbidden(where: str, text: str) -> FatalError:
    low = text.lower()
    if "cost" in low or "too large" in low:
        return FatalError(where, "a request within the store's limits", text, f"ask for fewer cams.levels, {_CHECK}")
    if "licence" not in low and "license" not in low and "terms" not in low:
        return FatalError(where, "a key that may ask for this", text, f"log in on the site and look there, {_CHECK}")
    address = re.search(r"https?://[^\s,;\"')]+", text)
    page = address.group(0).rstrip(".") if address else LICENCES
    fix = f"log in and accept the licence at {page} (and the site's terms of use, once), {_CHECK}"
    return FatalError(where, "the licence of the data, accepted", text, fix)


def _of_job(where: str, text: str) -> Fault:
    """A job that ended without a result."""
    low = text.lower()
    if "temporarily limited" in low or "queued requests" in low:
        fix = "run the same command again later, with fewer at a time: --resources ads=1"
        return Fault(TryAgainError(where, "a place in the data store's queue", text, fix), gone=True)
    if "returned no data" in low:
        error = TryAgainError(where, "data for that day", text, "run the same command again")
        return Fault(error, gone=True, no_data=True)
    if "'dismissed'" in low or "'deleted'" in low:
        error = TryAgainError(where, "the job asked for before", text, "run the same command again")
        return Fault(error, gone=True)
    if "unknown api state" in low:
        return Fault(TryAgainError(where, "a state of the job that the client knows", text, _LATER))
    return Fault(TryAgainError(where, "a job that succeeds", text, _LATER), gone=True)


def _retry_after(response: Any) -> float | None:
    """Seconds of the Retry-After header, which the client ignores."""
    try:
        return float(response.headers.get("Retry-After", ""))
    except ValueError:
        return None
