"""A stand-in of the Atmosphere Data Store that a test can spoil in every way in which the real one fails.

    with AdsServer() as server:
        server.fault("poll", 503, times=2)
        server.fault("body", "nan", date="2022-06-11")

It speaks the protocol on the loopback as `cdsapi` 0.7.7 with `ecmwf-datastores-client` 0.5.3 needs it. Places and words
for faults are `PLACES` in `ads_answers`; the ways in which a day is spoiled are `SPOILED` in `ads_bodies`.
"""

import contextlib
import http.server
import json
import random
import re
import socket
import struct
import sys
import threading
import urllib.parse

from aurorascope.cams.request import DATASET, day_request

from tests.cams.ads_answers import (
    FATES,
    FOREVER,
    MOODS,
    OF_FILES,
    REFUSALS,
    Call,
    Fault,
    Reply,
    json_reply,
    refusal,
    spoiled_file,
    spoiled_reply,
)
from tests.cams.ads_bodies import SPOILED, demo_body
from tests.cams.ads_store import Store, date_of

__all__ = ["FOREVER", "KEY", "AdsServer"]

KEY = "5ec2e7a0-1b2c-4d3e-8f90-a1b2c3d4e5f6"
_PIECE = 1 << 16
_JOBS, _PROCESS = "/api/retrieve/v1/jobs", "/api/retrieve/v1/processes/{dataset}"
_ACCOUNT, _CATALOGUE = "/api/profiles/v1/account", "/api/catalogue/v1"
_ROUTES = tuple(
    (method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), where)
    for method, path, where in (
        ("GET", f"{_CATALOGUE}/messages", "messages"),
        ("GET", f"{_CATALOGUE}/collections/{{dataset}}", "collection"),
        ("GET", f"{_CATALOGUE}/vocabularies/licences", "licences"),
        ("GET", _PROCESS, "process"),
        ("POST", f"{_PROCESS}/execution", "submit"),
        ("POST", f"{_PROCESS}/costing", "costs"),
        ("GET", _JOBS, "jobs"),
        ("GET", f"{_JOBS}/{{job_id}}", "poll"),
        ("DELETE", f"{_JOBS}/{{job_id}}", "delete"),
        ("GET", f"{_JOBS}/{{job_id}}/results", "results"),
        ("GET", f"{_ACCOUNT}/licences", "accepted"),
        ("PUT", f"{_ACCOUNT}/licences/{{licence}}", "accept"),
        ("POST", f"{_ACCOUNT}/verification/pat", "auth"),
        ("HEAD", "/(?:cache|elsewhere)/{asset}", "asset_head"),
        ("GET", "/(?:cache|elsewhere)/{asset}", "asset"),
    )
)
_WITHOUT_KEY = ("messages", "collection", "licences", "process", "costs", "asset", "asset_head")


class AdsServer(Store):
    """The stand-in.

    Args:
        body: called with a date and the inputs, returns the zip's bytes; None for the demo's day.
        grid: rows and columns of the demo's day.
        key: the token that it knows.
        polls: looks that find a new job unfinished.
        cache: answer a request that has succeeded before with a job that is finished at once.

    Attributes:
        url: what belongs into the rc file.
        key, polls, cache: as given; may be changed.
        licensed: whether the account has accepted the licence.
        ranges: "yes", "no" (none announced), or "lie" (announced, but answered with the whole file).
        listed_requests: whether the list of jobs says what each asked for.
        normalised: whether the store spells requests its own way: no lists of one, another order.
        messages: what the catalogue announces.
        jobs: all jobs, oldest first.
        calls: all calls, oldest first.
        faults: all switches set.
        defects: exceptions in the server itself; `close` raises the first.
    """

    def __init__(self, body=None, *, grid=(9, 9), key=KEY, polls=0, cache=False):
        self._http = _Http(self)
        super().__init__(f"http://127.0.0.1:{self._http.server_address[1]}", body or demo_body(grid), polls, cache)
        self.key, self.calls, self.faults, self.defects = key, [], [], []
        self.closed = threading.Event()
        self._lock, self._chance = threading.RLock(), None
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(quiet=kind is not None)

    def close(self, quiet=False):
        """End every answer that still waits, and every connection."""
        self.closed.set()
        self._http.shutdown()
        self._http.server_close()
        self._http.close_connections()
        if self.defects and not quiet:
            raise self.defects[0]

    # What a test sets.

    def fault(self, where, action, times=1, *, date=None, skip=0, **how):
        """Spoil the next `times` calls at a place, after `skip` good ones; returns the switch, which counts in `done`.

        Details: `s` (slow, stall; seconds), `at` (cut, stall; bytes), `n` (short, long, endless; bytes),
        `retry_after` (429, 503), `data` (json), `reset=True` (cut), `processed=True` (what was asked for is done
        before the answer is spoiled).
        """
        fault = Fault(where, action, times, date, skip, how)
        with self._lock:
            self.faults.append(fault)
        return fault

    def heal(self):
        """Remove every switch; what has become of a job stays."""
        with self._lock:
            self.faults.clear()
            self._chance = None

    def random_faults(self, rate, seed=0):
        """Spoil this share of all calls with 500, 429, a reset or a cut body; 0 ends it."""
        with self._lock:
            self._chance = (random.Random(seed), rate) if rate else None

    def release(self):
        """Finish every job that waits, and let none wait any more."""
        with self._lock:
            self.faults = [fault for fault in self.faults if fault.action != "wait"]
            for job in self.jobs:
                job.held = False
                if job.status in ("accepted", "running", "paused"):
                    job.status = "successful"

    def add_job(self, inputs, *, status="successful", dataset=DATASET):
        """A job that was there before."""
        with self._lock:
            return self._add(inputs, dataset, status)

    def add_day(self, date, levels=(500, 850), hours=(0, 12), status="successful"):
        """A job with the canonical request for a day that was there before."""
        return self.add_job(day_request(date, levels, hours), status=status)

    # What a test asks.

    def calls_of(self, where, date=None):
        """Calls at a place."""
        return [call for call in list(self.calls) if call.where == where and date in (None, call.date)]

    def posts(self, date=None):
        """Requests sent."""
        return self.calls_of("submit", date)

    def downloads_of(self, date=None):
        """Transfers begun."""
        return self.calls_of("asset", date)

    def jobs_of(self, date):
        """Jobs of a day."""
        return [job for job in list(self.jobs) if job.date == date]

    def asset_of(self, job):
        """The bytes that a job's result stands for."""
        with self._lock:
            return self._assets[self._asset(job)]

    # From a call to its answer.

    def answer(self, method, target, headers, content):
        """The reply to one call."""
        parts = urllib.parse.urlsplit(target)
        query = urllib.parse.parse_qs(parts.query)
        with self._lock:
            where, names = _route(method, parts.path)
            if where == "poll" and "log" not in query:
                where = "job"
            job, date = self._subject(where, names, content)
            names |= {"job": job, "query": query, "content": content, "range": headers.get("Range")}
            if where is None:
                reply = json_reply({"detail": "Not Found"}, 404)
            elif where not in _WITHOUT_KEY and headers.get("PRIVATE-TOKEN") != self.key:
                reply = refusal("unauthorised")
            else:
                reply = self._answer(where, date, names)
            status = None if reply.end and reply.sent is None else reply.status
            self.calls.append(Call(method, parts.path, status, where, date, query, headers))
            return reply

    def _subject(self, where, names, content):
        """The job and the day that a call is about, as far as it is about one."""
        if where == "submit":
            try:
                names["inputs"] = json.loads(content)["inputs"]
            except (ValueError, KeyError, TypeError):
                names["inputs"] = None
            return None, date_of(names["inputs"])
        job = self._job(names.get("job_id"))
        return job, job.date if job else self._asset_dates.get(names.get("asset"))

    def _answer(self, where, date, names):
        def good():
            return getattr(self, f"_on_{where}")(**names)

        fault = self._pick(where, date)
        if fault is None:
            return good()
        action, job = fault.action, names["job"]
        if action == "wait" or action in FATES:
            return self._fated(where, action, good, job)
        if action in REFUSALS:
            if job and action == "expired":
                job.expired = True
            return refusal(action, base=self.base, dataset=DATASET, job=names.get("job_id"), status="failed")
        if action == "redirect":
            return Reply(302, b"", {"Location": f"{self.base}/elsewhere/{names['asset']}"})
        if action in OF_FILES:
            return spoiled_file(action, fault.how, good())
        return spoiled_reply(action, fault.how, good)

    def _pick(self, where, date):
        fault = next((fault for fault in self.faults if fault.takes(where, date)), None)
        if fault is None and self._chance and self._chance[0].random() < self._chance[1]:
            action = self._chance[0].choice([500, 429, "reset"] + ["cut"] * (where == "asset"))
            fault = Fault(where, action, 1, date, 0, {})
        return fault

    def _fated(self, where, fate, good, job):
        if where == "submit":
            reply = good()
            if reply.status == 201:
                self.jobs[-1].meet(fate)
            return reply
        if job is None:
            return good()
        before = job.status, job.held
        job.meet(fate)
        reply = good()
        if fate in MOODS:
            job.status, job.held = before
        return reply

    def _delivered(self, job, data):
        fault = next((fault for fault in self.faults if fault.where == "body" and fault.takes("body", job.date)), None)
        if fault is None:
            return data
        return (fault.action if callable(fault.action) else SPOILED[fault.action])(data)

    def _on_asset_head(self, **names):
        reply = super()._on_asset_head(**names)
        # HEAD agrees on the length with the GET that follows, whatever that sends.
        fault = next((f for f in self.faults if f.where == "asset" and f.times > 0 and f.skip == 0), None)
        if fault and fault.action in ("short", "long") and reply.status == 200:
            return spoiled_file(fault.action, fault.how, reply)
        return reply


def _route(method, path):
    for known, pattern, where in _ROUTES:
        match = pattern.fullmatch(path)
        if match and known == method:
            return where, match.groupdict()
    return None, {}


class _Http(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, ads):
        self.ads, self._open = ads, set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self):
        request, address = super().get_request()
        self._open.add(request)
        return request, address

    def shutdown_request(self, request):
        # No farewell first, or a reset would not be one.
        self._open.discard(request)
        self.close_request(request)

    def close_connections(self):
        for request in list(self._open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request, client_address):
        error = sys.exception()
        # Clients are killed and give up; that is no defect of ours.
        if not isinstance(error, OSError):
            self.ads.defects.append(error)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        return None

    def _serve(self):
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        ads = self.server.ads
        reply = ads.answer(self.command, self.path, self.headers, content)
        if reply.wait and ads.closed.wait(reply.wait):
            reply = Reply(0, end="close")
        if reply.end and reply.sent is None:
            self._leave(reply.end)
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.endless:
            self._send_endless(reply)
            return
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body[: reply.sent])
        self.wfile.flush()
        if reply.sent is not None:
            if reply.stall:
                ads.closed.wait(reply.stall)
            self._leave(reply.end)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _serve

    def _leave(self, end):
        self.close_connection = True
        if end == "reset":
            # A socket that must not linger says RST when it is closed.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _send_endless(self, reply):
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._leave(None)
        for start in range(0, reply.endless, _PIECE):
            if self.server.ads.closed.is_set():
                return
            piece = reply.body[start : start + _PIECE].ljust(_PIECE, b"\0")
            self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
