"""Verbs without seconds of imports each: a process that has imported torch, Aurora and the rest forks for each.

Only what others wrote is imported before: each project of a test has its own copy of our library. A library may read the
environment while it is imported, so there is one such process for each environment that is met often, but for what only our own
code, bash and tests read, and the time zone, which a fork sets as the start of a program does. All test processes of a run share
them. Tests of kills, of namespaces, of portable numbers and of a cluster start Snakemake itself, and so do all of its jobs.
"""

import collections
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock

from tests.workflow.forks import ROOT, become, run_and_end, start

_LIBRARIES = ("numpy", "pandas", "pyarrow.parquet", "torch", "aurora", "safetensors.torch", "zarr", "xarray", "netCDF4")
_LIBRARIES += ("jsonschema", "tqdm", "yaml", "psutil", "einops", "matplotlib.figure", "matplotlib.backends.backend_agg")
_LIBRARIES += ("numba", "scipy.stats")
_NOT_THEIRS = {"BASH_ENV", "CDSAPI_RC", "DAYS", "OLDPWD", "PWD", "PYTHONPATH", "SCRATCH", "SHLVL", "VERBS_SOCKET", "_"}
# Set by the fork itself.
_NOT_THEIRS |= {"TZ"}
_NOT_THEIRS |= {"TEMP", "TEMPDIR", "TMP", "TMPDIR"}
_OUR_NAMES = ("AURORASCOPE_", "PYTEST_")
# Each takes some 400 MB, and ten seconds to start.
_MOST, _OFTEN = 3, 2
# What a test process sends that keeps this one alive.
_HOLD = b"hold"


def with_forked_verbs(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a Snakemake whose local jobs fork from a process that has imported what verbs need."""
    return {**environment, "BASH_ENV": str(Path(__file__).with_name("verbs.sh")), "VERBS_SOCKET": _held()[0]}


@functools.cache
def _held() -> tuple[str, socket.socket]:
    """Path of the socket of what hands verbs on, started by the first test process, and what keeps it there while this one lives."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    note = Path(tempfile.gettempdir(), f"verbs-{run}")
    with FileLock(f"{note}.lock"):
        if not note.exists() or (held := _connected(note.read_text())) is None:
            folder = tempfile.mkdtemp(prefix="verbs-")
            path = os.path.join(folder, "socket")
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            listener.bind(path)
            listener.listen(64)
            with listener:
                subprocess.Popen(
                    [sys.executable, "-m", __spec__.name, "hand_on", str(listener.fileno()), folder],
                    cwd=ROOT,
                    pass_fds=[listener.fileno()],
                    start_new_session=True,
                )
            note.write_text(path)
            held = _connected(path)
        return note.read_text(), held


def _connected(path: str) -> socket.socket | None:
    """What holds the process at the other end, None where it has ended with the last one that needed it."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        channel.connect(path)
        channel.send(_HOLD)
        if channel.recv(64) == _HOLD:
            return channel
    except OSError:
        pass
    channel.close()
    return None


def _hand_on(listener: socket.socket, folder: str) -> None:
    """Give each client, with its request and files, to the process that was started with its environment; end with the last test
    process that holds this one.
    """
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    servers: collections.OrderedDict[str, socket.socket] = collections.OrderedDict()
    met: collections.Counter[str] = collections.Counter()
    has_begun = False
    while not has_begun or len(waiting.get_map()) > 1:
        for key, _ in waiting.select():
            if key.fileobj is not listener:
                waiting.unregister(key.fileobj)
                key.fileobj.close()
                continue
            client, _ = listener.accept()
            data, fds, _, _ = socket.recv_fds(client, 1 << 20, 3)
            if data == _HOLD:
                client.send(_HOLD)
                waiting.register(client, selectors.EVENT_READ)
                has_begun = True
                continue
            with client:
                # Nothing, where it was killed meanwhile.
                if data:
                    _hand_one_on(data, [client.fileno(), *fds], servers, met)
            for fd in fds:
                os.close(fd)
    listener.close()
    shutil.rmtree(folder)


def _hand_one_on(
    data: bytes, fds: list[int], servers: collections.OrderedDict[str, socket.socket], met: collections.Counter[str]
) -> None:
    environment = {
        name: value
        for name, value in json.loads(data)["environment"].items()
        if name not in _NOT_THEIRS and not name.startswith(_OUR_NAMES)
    }
    key = json.dumps(environment, sort_keys=True)
    met[key] += 1
    if met[key] < _OFTEN:
        return
    if key not in servers:
        servers[key], _ = start(__spec__.name, environment)
        if len(servers) > _MOST:
            servers.popitem(last=False)[1].close()
    servers.move_to_end(key)
    try:
        socket.send_fds(servers[key], [data], fds)
    except OSError:
        # It was killed; the client does without, the next one gets another.
        servers.pop(key).close()


def _run() -> None:
    runpy.run_module("aurorascope", run_name="__main__", alter_sys=True)


def _serve(channel: socket.socket) -> None:
    """Fork for each request until the other end is closed: one process that waits, and one that runs the verb."""
    for name in _LIBRARIES:
        importlib.import_module(name)
    gc.freeze()
    while True:
        data, fds, _, _ = socket.recv_fds(channel, 1 << 20, 4)
        if not data:
            return
        waiting = os.fork()
        if not waiting:
            channel.close()
            if os.fork():
                os._exit(0)
            client, *streams = fds
            verb = os.fork()
            if not verb:
                os.close(client)
                request = json.loads(data)
                become(request, streams, [sys.executable, *request["words"][2:]])
                sys.orig_argv = [sys.executable, *request["words"]]
                sys.path[:1] = [request["cwd"], *filter(None, request["environment"].get("PYTHONPATH", "").split(":"))]
                run_and_end(_run)
            status = os.waitstatus_to_exitcode(os.waitpid(verb, 0)[1])
            with socket.socket(fileno=client) as answer:
                answer.send(str(status).encode())
            os._exit(0)
        os.waitpid(waiting, 0)
        for fd in fds:
            os.close(fd)


if __name__ == "__main__":
    if sys.argv[1] == "hand_on":
        _hand_on(socket.socket(fileno=int(sys.argv[2])), sys.argv[3])
    else:
        _serve(socket.socket(fileno=int(sys.argv[1])))
