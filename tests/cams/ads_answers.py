"""The words of the stand-in of the Atmosphere Data Store: its jobs, its JSON, its refusals, and how a test asks for
faults.
"""

import dataclasses
import json
import math
from collections.abc import Callable
from email.message import Message
from typing import Any, NamedTuple

from aurorascope.cams.request import DATASET

from tests.cams.ads_bodies import HTML, SPOILED

FOREVER = math.inf
_ENDLESS_S = 1e6
LICENCE = {"id": "cc-by", "label": "CC-BY licence", "revision": 1, "scope": "dataset"}

# status, title, detail
REFUSALS = {
    "unauthorised": (401, "authentication failed", "operation not allowed"),
    "licence": (
        403,
        "required licences not accepted",
        "Not all the required licences have been accepted; please visit "
        f"{{base}}/datasets/{DATASET}?tab=download#manage-licences to accept the required licence(s).",
    ),
    "cost": (403, "cost limits exceeded", "Your request is too large, please reduce your selection."),
    "forbidden": (403, "permission denied", "operation not permitted"),
    "invalid": (400, "invalid request", "The request has no valid combination of values."),
    "unprocessable": (422, "invalid parameter", "one of the parameters is not valid"),
    "no_dataset": (404, "process not found", "dataset {dataset} not found"),
    "no_job": (404, "job not found", "job {job} not found"),
    "dismissed_job": (404, "job not found", "job {job} dismissed"),
    "expired": (404, "results expired", "results of job {job} expired"),
    "not_ready": (404, "job results not ready", "status of {job} is {status}"),
}
_TRACE = 'Traceback (most recent call last):\n  File "adaptor.py", line 1, in retrieve\n'
# What becomes of a job: its status, and the reason it gives.
FATES = {
    "queue_limit": (
        "rejected",
        "Number of API queued requests for this dataset is temporarily limited. "
        "Please configure your scripts accordingly",
    ),
    "queue_limit_failed": (
        "failed",
        "Number of API queued requests for this dataset is temporarily limited. "
        "Please configure your scripts accordingly",
    ),
    "rejected": ("rejected", "The request was rejected by the operator."),
    "failed": ("failed", f"{_TRACE}OSError: the archive did not answer"),
    "no_data": ("failed", f"{_TRACE}MarsNoDataError: MARS returned no data, please check your selection."),
    "dismissed": ("dismissed", None),
    "deleted": ("deleted", None),
    "unknown_state": ("paused", None),
    "gone": ("gone", None),
    "running": ("running", None),
}
_TRANSPORT = ("reset", "lost", "html", "empty", "json", "slow", "hang")
OF_FILES = ("cut", "stall", "flip", "short", "long", "endless", "redirect")
# What passes: asked for at a look, it is what that look finds; at "submit", it lasts until the test releases the job.
MOODS = ("wait", "running", "unknown_state")
_FATES = ("wait", *FATES)
# Words of each place; a status code or `json` works everywhere.
PLACES = {
    "any": _TRANSPORT, "messages": _TRANSPORT, "process": (*_TRANSPORT, "no_dataset"), "collection": _TRANSPORT,
    "licences": _TRANSPORT, "submit": (*_TRANSPORT, *_FATES, *REFUSALS), "jobs": (*_TRANSPORT, "unauthorised"),
    "poll": (*_TRANSPORT, *_FATES, *REFUSALS), "job": (*_TRANSPORT, *_FATES, *REFUSALS),
    "results": (*_TRANSPORT, *REFUSALS, "no_size"), "delete": _TRANSPORT, "costs": _TRANSPORT,
    "accepted": _TRANSPORT, "accept": _TRANSPORT, "auth": (*_TRANSPORT, "unauthorised"),
    "asset_head": (*_TRANSPORT, "redirect"), "asset": (*_TRANSPORT, *OF_FILES), "body": tuple(SPOILED),
}


class Call(NamedTuple):
    """One call that the server answered.

    `status` is None where no answer was sent; `where` is the place of `PLACES`, or None for an unknown path; `headers`
    takes names in any case.
    """

    method: str
    path: str
    status: int | None
    where: str | None
    date: str | None
    query: dict[str, list[str]]
    headers: Message


@dataclasses.dataclass
class Fault:
    """One switch that a test has set.

    Attributes:
        where: a place of `PLACES`.
        action: a word of that place, a status code, or for "body" a function from bytes to bytes.
        times: calls that it still spoils.
        date: the only day that it concerns; None for all.
        skip: calls that it lets pass first.
        how: details of the action.
        done: calls that it has spoiled.
    """

    where: str
    action: str | int | Callable[[bytes], bytes]
    times: float
    date: str | None
    skip: int
    how: dict[str, Any]
    done: int = 0

    def __post_init__(self):
        known = PLACES[self.where]
        if isinstance(self.action, str) and self.action not in known:
            raise ValueError(f"{self.where} knows no {self.action}, but {', '.join(known)}")

    def takes(self, where, date):
        """Whether it concerns a call; counts it."""
        if self.where not in (where, "any") or self.date not in (None, date) or self.times <= 0:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        self.done += 1
        return True


@dataclasses.dataclass
class Job:
    """One job of the store.

    Attributes:
        id: its name.
        inputs: the request.
        date: the day asked for.
        created: time of its making, ISO; later jobs have later ones.
        dataset: what was asked for.
        status: what a look at it would say; "gone" for 404.
        polls_left: looks that still find it unfinished.
        held: it does not finish until the test releases it.
        reason: why it failed.
        expired: its result is no more.
        asset: name of its file once it was described.
        polls: looks so far.
    """

    id: str
    inputs: dict[str, Any]
    date: str
    created: str
    dataset: str = DATASET
    status: str = "accepted"
    polls_left: int = 0
    held: bool = False
    reason: str | None = None
    expired: bool = False
    asset: str | None = None
    polls: int = 0

    def meet(self, fate):
        """Become what a word of `FATES` says, or stay for "wait"."""
        self.held = fate in MOODS
        if fate != "wait":
            self.status, self.reason = FATES[fate]

    def look(self):
        """A poll: time passes at the store only when somebody looks."""
        self.polls += 1
        if self.status in ("accepted", "running") and not self.held:
            self.status = "running" if self.polls_left > 0 else "successful"
            self.polls_left -= 1

    def info(self, api, metadata):
        """What the store says of it."""
        here = f"{api}/retrieve/v1/jobs/{self.id}"
        links = [{"rel": "self", "href": here, "type": "application/json"}]
        if self.status == "successful":
            links.append({"rel": "results", "href": f"{here}/results"})
        done = self.created if self.status in ("successful", "failed", "rejected") else None
        return {
            "processID": self.dataset, "type": "process", "jobID": self.id, "status": self.status,
            "created": self.created, "started": done, "finished": done, "updated": self.created, "links": links,
            "metadata": {"origin": "api", "datasetMetadata": {}, **metadata},
        }


@dataclasses.dataclass
class Reply:
    """What is sent, and how badly.

    Attributes:
        status: HTTP status.
        body: all bytes, also of an answer to HEAD.
        headers: besides Content-Length.
        wait: seconds before the first byte.
        end: "reset" or "close" instead of an answer; None for a whole one.
        sent: bytes of the body after which the transfer stops; None for all.
        stall: seconds of silence after them before the connection is closed.
        endless: bytes sent in pieces of unknown number instead of the body.
    """

    status: int
    body: bytes = b""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    wait: float = 0.0
    end: str | None = None
    sent: int | None = None
    stall: float = 0.0
    endless: int = 0


def json_reply(document, status=200, **headers):
    """JSON."""
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json", **headers})


def html_reply(status=200):
    """A page of whoever stands between us and the store."""
    return Reply(status, HTML, {"Content-Type": "text/html; charset=utf-8"})


def refusal(name, **parts):
    """A refusal of `REFUSALS`."""
    status, title, detail = REFUSALS[name]
    return json_reply({"type": title, "title": title, "status": status, "detail": detail.format(**parts)}, status)


def plain_status(status, how):
    """A bare status with the store's usual body."""
    headers = {"Retry-After": str(how.get("retry_after", 0))} if status in (429, 503) else {}
    title = how.get("title", "internal server error" if status >= 500 else "error")
    return json_reply({"type": title, "title": title, "status": status, "trace_id": "unset"}, status, **headers)


def spoiled_reply(action, how, good):
    """An answer that went wrong on its way.

    Args:
        action: a status code, or a word that every place knows.
        how: details.
        good: makes the answer as it should be, and does what was asked for.
    """
    obeyed = good() if how.get("processed") or action in ("lost", "slow", "hang", "no_size") else None
    if isinstance(action, int):
        return plain_status(action, how)
    if action in ("slow", "hang"):
        obeyed.wait = how.get("s", 1.0 if action == "slow" else _ENDLESS_S)
        return obeyed
    if action == "no_size":
        document = json.loads(obeyed.body)
        document.get("asset", {}).get("value", {}).pop("file:size", None)
        return json_reply(document, obeyed.status)
    return {
        "reset": lambda: Reply(0, end="reset"), "lost": lambda: Reply(0, end="close"), "html": html_reply,
        "empty": lambda: Reply(200), "json": lambda: json_reply(how.get("data", {})),
    }[action]()


def spoiled_file(action, how, reply):
    """A transfer that goes wrong."""
    half = len(reply.body) // 2
    if action in ("cut", "stall"):
        reply.sent = how.get("at", half)
        reply.end = "reset" if how.get("reset") else None
        reply.stall = how.get("s", _ENDLESS_S) if action == "stall" else 0.0
    elif action == "flip":
        reply.body = reply.body[:half] + bytes([reply.body[half] ^ 1]) + reply.body[half + 1 :]
    elif action == "endless":
        reply.endless = how.get("n", 64 << 20)
    elif action == "short":
        reply.body = reply.body[: -how.get("n", 1000)]
    elif action == "long":
        reply.body += bytes(how.get("n", 1000))
    return reply
