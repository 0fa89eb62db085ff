"""What can happen between us and the data store, and what a user is to see: the table that the tests go through."""

import dataclasses
from collections.abc import Callable
from typing import Any

from aurorascope.cams.request import ADS_URL

from tests.cams.ads_answers import FOREVER
from tests.cams.ads_bodies import members, pack

DAY = "2022-06-11"
FINE, FAILED, LATER, STOP = 0, 1, 75, 78
SHORT = {"ads": {"wait_hours": 0.0008, "tries": 3, "retry_s": 0.05, "poll_s": 0.2, "timeout_s": 1.0}}
SIZE_OF_PADDING = 3 << 20


@dataclasses.dataclass(frozen=True)
class Run:
    """One call of the rule's command, and what it must lead to.

    Attributes:
        status: exit status.
        jobs: jobs at the store afterwards, over all runs so far.
        says: words of the one line on stderr, or of the log where the run succeeds.
        attempt: which try within one run of the workflow it is.
        before: what happens at the store, or on our side, before it.
        silent: it sends nothing at all.
    """

    status: int
    jobs: int
    says: str = ""
    attempt: int = 1
    before: Callable[[Any, Any], Any] | None = None
    silent: bool = False


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One story.

    Attributes:
        name: what happens, in words; unique.
        runs: the calls, in order.
        faults: switches of the server: (place, action) or (place, action, options).
        server: attributes of the server.
        cams: changes to the configuration.
        rc: text of the rc file; None for the right one.
        downloads: transfers of the file in all, where the story is about them.
    """

    name: str
    runs: tuple[Run, ...]
    faults: tuple[tuple, ...] = ()
    server: dict[str, Any] = dataclasses.field(default_factory=dict)
    cams: dict[str, Any] = dataclasses.field(default_factory=dict)
    rc: str | None = None
    downloads: int | None = None


def heal(server, run):
    """The store is well again."""
    server.heal()


def release(server, run):
    """What waited in the queue is done."""
    server.heal()
    server.release()


def remove_record(server, run):
    """The user wants the day made again."""
    (run.days / f"{DAY}.json").unlink()


def _with(action):
    def change(server, run):
        server.heal()
        action(server, run)

    return change


def _drop_job(server, run):
    for job in server.jobs:
        job.status = "gone"


def _fail_job(server, run):
    for job in server.jobs:
        job.meet("failed")


def padded(data):
    """A good day with a large member that nobody reads, so that a transfer takes several pieces."""
    noise = bytes(range(256)) * (SIZE_OF_PADDING // 256)
    return pack({**members(data), "receipt-large.yaml": noise})


def _ok(jobs=1, says="", before=heal):
    return Run(FINE, jobs, says, before=before)


def _once(name, *faults, says="", **more):
    """Trouble that passes within one run."""
    return Scenario(name, (Run(FINE, 1, says),), faults, **more)


def _twice(name, *faults, jobs, says, after=None, status=LATER, **more):
    """Trouble that ends one run, and that the next one gets over."""
    after = jobs if after is None else after
    return Scenario(name, (Run(status, jobs, says), _ok(after)), faults, **more)


def _wrong(action, says, *more):
    """A whole zip with wrong contents: kept for the user to look at, asked for anew by the next run."""
    return Scenario(f"the file: {action.replace('_', ' ')}", (Run(FAILED, 1, says), *more), (("body", action),))


def _broken(action, says, **more):
    """A zip that is no zip: fetched again from the same job."""
    return Scenario(f"the file: {action.replace('_', ' ')}", (Run(LATER, 1, says), _ok(1)), (("asset", action),), **more)


RC = [
    Scenario("no rc file", (Run(STOP, 0, "no such file", silent=True),), rc=""),
    Scenario("a key of the old form", (Run(STOP, 0, "old form UID:KEY", silent=True),), rc=f"url: {ADS_URL}\nkey: 1:a-b\n"),
    Scenario("a slash after the url", (Run(STOP, 0, "a slash at its end", silent=True),), rc=f"url: {ADS_URL}/\nkey: a-bc\n"),
    Scenario("the url of the old service", (Run(STOP, 0, "closed in 2024", silent=True),), rc=f"url: {ADS_URL}/v2\nkey: a-bc\n"),
    Scenario(
        "the url of the Climate Data Store",
        (Run(STOP, 0, "no CAMS forecasts", silent=True),),
        rc="url: https://cds.climate.copernicus.eu/api\nkey: a-bc\n",
    ),
]

# All days would be refused alike; the second run, of another attempt, asks nobody.
_AGAIN = {"attempt": 2, "silent": True}
REFUSED = [
    Scenario(
        name,
        (Run(STOP, 0, says), Run(STOP, 0, says, **_AGAIN)),
        ((place, action, {"times": FOREVER}),),
    )
    for name, place, action, says in (
        ("a wrong key", "submit", "unauthorised", "correct the key"),
        ("a wrong key, noticed at the list of jobs", "jobs", "unauthorised", "correct the key"),
        ("a licence that is not accepted", "submit", "licence", r"\?tab=download#manage-licences"),
        ("a request that costs too much", "submit", "cost", "fewer cams.levels"),
        ("another 403", "submit", "forbidden", "permission denied"),
        ("a request that the store calls invalid (400)", "submit", "invalid", "no valid combination"),
        ("a request that the store cannot process (422)", "submit", "unprocessable", "not valid"),
        ("a store without the dataset (404)", "process", "no_dataset", "correct the url"),
    )
]

SUBMIT = [
    _once("announcements fail for ever", ("messages", 500, {"times": FOREVER})),
    _once("a busy store when the dataset is looked up", ("process", 503), ("process", 502)),
    _once("too many requests (429), twice", ("submit", 429, {"times": 2})),
    _twice("too many requests (429), for ever", ("submit", 429, {"times": FOREVER}), jobs=0, after=1, says="429"),
    _twice("the request is answered with 500, no job made", ("submit", 500), jobs=0, after=1, says="500"),
    _once("the request is answered with 500, though the job is made", ("submit", 500, {"processed": True}), says="Found job|Taking up"),
    _once("the request is answered with 504, though the job is made", ("submit", 504, {"processed": True})),
    _once("the answer to the request comes too late", ("submit", "slow", {"s": 1.5})),
    _once("the answer to the request is lost", ("submit", "lost")),
    _once("the answer is lost, and the list does not say what was asked", ("submit", "lost"), server={"listed_requests": False}),
    _once("the answer is lost, and the store spells requests its own way", ("submit", "lost"), server={"normalised": True}),
    _twice("the connection is reset at the request", ("submit", "reset"), jobs=0, after=1, says="onnection"),
    _twice("a login page answers the request", ("submit", "html"), jobs=0, after=1, says="not JSON"),
    _twice("an empty answer to the request", ("submit", "empty"), jobs=0, after=1, says="not JSON"),
    _twice("the list of jobs fails for ever", ("jobs", 500, {"times": FOREVER}), jobs=0, after=1, says="500"),
    _once("the store knows an identical job of ours", server={"prepare": lambda server: server.add_day(DAY, levels=(500, 850))}),
]

QUEUE = [
    _twice("no place in the queue (rejected)", ("submit", "queue_limit"), jobs=1, after=2, says="--resources ads=1"),
    _twice("no place in the queue (failed)", ("submit", "queue_limit_failed"), jobs=1, after=2, says="temporarily limited"),
    _twice("a job that is rejected", ("submit", "rejected"), jobs=1, after=2, says="rejected by the operator"),
    _twice("a job that fails", ("submit", "failed"), jobs=1, after=2, says="archive did not answer"),
    _twice("the archive finds no data, once", ("submit", "no_data"), jobs=1, after=2, says="returned no data"),
    Scenario(
        "the archive finds no data, twice",
        (Run(LATER, 1, "returned no data"), Run(FAILED, 2, "cams.missing_dates", attempt=2), Run(FAILED, 2, "cams.missing_dates", **_AGAIN)),
        (("submit", "no_data", {"times": FOREVER}),),
    ),
    _twice("a job that the key's owner may not see", ("job", "forbidden"), jobs=1, says="not ours to see"),
    Scenario(
        "a job that stays in the queue",
        (
            Run(LATER, 1, "stays in the store's queue"),
            Run(LATER, 1, "stays in the store's queue", **_AGAIN),
            Run(FINE, 1, "Taking up job", before=release),
        ),
        (("submit", "wait"),),
        cams=SHORT,
    ),
    Scenario(
        "a job that waits, and is gone when the next run looks",
        (Run(LATER, 1, "stays in the store's queue"), Run(FINE, 2, "is of no use", before=_with(_drop_job))),
        (("submit", "wait"),),
        cams=SHORT,
    ),
    Scenario(
        "a job that waits, and has failed when the next run looks",
        (Run(LATER, 1, "stays in the store's queue"), Run(FINE, 2, "is of no use", before=_with(_fail_job))),
        (("submit", "wait"),),
        cams=SHORT,
    ),
    _twice("a job that is dismissed", ("submit", "dismissed"), jobs=1, after=2, says="dismissed"),
    _twice("a job that is deleted", ("submit", "deleted"), jobs=1, after=2, says="deleted"),
    _twice("a job in a state that nobody knows", ("poll", "unknown_state"), jobs=1, says="paused", after=1),
    _once("the connection is reset at a look at the job", ("poll", "reset", {"skip": 1})),
    _once("a busy store (502) at two looks", ("poll", 502, {"times": 2})),
    _once("too many looks (429)", ("poll", 429, {"retry_after": 0})),
    _once("a login page answers a look", ("poll", "html")),
    _once("an empty answer to a look", ("poll", "empty")),
    _twice("looks fail for ever", ("poll", 500, {"times": FOREVER}), jobs=1, says="500"),
    _twice("looks hang for ever", ("poll", "hang", {"times": FOREVER}), jobs=1, says="imed out|wait_hours"),
]

RESULT = [
    _once("a busy store when the result is described", ("results", 500)),
    _once("a description without a size", ("results", "no_size")),
    _twice("descriptions without a size, for ever", ("results", "no_size", {"times": FOREVER}), jobs=1, says="file:size"),
    _twice("a result that has expired", ("results", "expired", {"times": FOREVER}), jobs=1, after=2, says="expired"),
    _twice(
        "a result that is said to lie on our own disk",
        ("results", "json", {"data": {"asset": {"value": {"type": "application/zip", "href": "file:///etc/hostname", "file:size": 5}}}, "times": FOREVER}),
        jobs=1, after=2, says="starts with file:",
    ),
    _twice("a file that may not be read (403)", ("asset", 403, {"times": FOREVER}), jobs=1, says="byte"),
    Scenario(
        "a file that is not there (404), in three runs",
        (Run(LATER, 1), Run(LATER, 1), Run(LATER, 1), _ok(2)),
        (("asset", 404, {"times": FOREVER}),),
    ),
    _once("a busy store (500) at the file", ("asset", 500)),
    _once("the file's HEAD is refused (405)", ("asset_head", 405, {"times": FOREVER})),
    _once("the file lies elsewhere (302)", ("asset", "redirect")),
    _once("the transfer is cut and resumed", ("body", padded), ("asset", "cut", {"at": 2_500_000}), downloads=2),
    _once("the transfer is cut, and the store resumes nothing", ("body", padded), ("asset", "cut"), server={"ranges": "no"}, downloads=2),
    _once("the transfer is reset", ("asset", "cut", {"reset": True}), downloads=2),
    _once("the transfer stalls", ("asset", "stall"), downloads=2),
    _twice("the transfer is cut for ever", ("asset", "cut", {"times": FOREVER}), jobs=1, says="byte|IncompleteRead|onnection"),
    _twice(
        "the store promises to resume and sends the whole file",
        ("body", padded), ("asset", "cut", {"at": 2_500_000}), server={"ranges": "lie"}, jobs=1, says="bytes",
    ),
    _twice("the file: no bytes", ("body", "no_bytes"), jobs=1, after=2, says="less than 4 GB"),
    _broken("flip", "checksum|CRC|match"),
    _broken("short", "byte"),
    _broken("long", "bytes"),
    _broken("endless", "more than the"),
    Scenario(
        "a file that is broken at the store, in three runs",
        (Run(LATER, 1, "whole zip"), Run(LATER, 1), Run(LATER, 1), _ok(2)),
        (("body", "truncated"),),
        downloads=4,
    ),
]

CONTENT = [
    _wrong("missing_variable", "none named so2", Run(FAILED, 1, "none named so2", attempt=2, silent=True), _ok(2)),
    *(_wrong(action, says) for action, says in (
        ("one_member", "none named t, u, v"),
        ("not_netcdf", "a readable NetCDF file"),
        ("missing_level", "the levels"),
        ("missing_time", "the states"),
        ("other_date", "2022-06-12"),
        ("nan", "NaN"),
        ("integers", "floating point"),
        ("two_grids", "the same latitude"),
    )),
    *(_once(f"the file: {action.replace('_', ' ')}", ("body", action)) for action in (
        "receipt", "in_folder", "old_names", "deflated", "packed", "trailing", "numbered", "twice", "west", "upside_down",
    )),
]

# Nothing that is no harmless zip is unpacked.
HOSTILE = [
    Scenario(f"the file: {action.replace('_', ' ')}", (Run(LATER, 1, says),), (("body", action),))
    for action, says in (
        ("flipped", "match their checksums"),
        ("page", "whole zip"),
        ("bare_netcdf", "whole zip"),
        ("traversal", "hostile name"),
        ("absolute", "hostile name"),
        ("traversing_pair", "hostile name"),
        ("encrypted", "whole zip"),
        ("bomb", "times the packed size"),
        ("lying_size", "match their checksums"),
    )
]

OURS = [
    Scenario("the same command again", (Run(FINE, 1), Run(FINE, 1, before=remove_record, silent=True)), downloads=1),
    Scenario(
        "again without the zip",
        (Run(FINE, 1), Run(FINE, 1, "Taking up job", before=remove_record)),
        cams={"keep_zips": False},
        downloads=2,
    ),
]

SCENARIOS = [*RC, *REFUSED, *SUBMIT, *QUEUE, *RESULT, *CONTENT, *HOSTILE, *OURS]
