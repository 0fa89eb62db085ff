"""Verbs without seconds of imports each: a process that has imported torch, Aurora and the rest forks for each.

Only what others wrote is imported before: each project of a test has its own copy of our library. A library may read the
environment while it is imported, so there is one such process for each environment that is met often, but for what only our own
code, bash and tests read. Tests of kills, of namespaces and of a cluster start Snakemake itself, and so do all of its jobs.
"""

import collections
import functools
import gc
import importlib
import json
import os
import runpy
import socket
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path

from tests.workflow.forks import become, start

_LIBRARIES = ("numpy", "pandas", "pyarrow.parquet", "torch", "aurora", "safetensors.torch", "zarr", "xarray", "netCDF4")
_LIBRARIES += ("jsonschema", "tqdm", "yaml", "psutil", "einops", "matplotlib.figure", "matplotlib.backends.backend_agg")
_NOT_THEIRS = {"BASH_ENV", "CDSAPI_RC", "DAYS", "OLDPWD", "PWD", "PYTHONPATH", "SCRATCH", "SHLVL", "VERBS_SOCKET", "_"}
_NOT_THEIRS |= {"TEMP", "TEMPDIR", "TMP", "TMPDIR"}
_OUR_NAMES = ("AURORASCOPE_", "PYTEST_")
# Each takes some 400 MB, and ten seconds to start.
_MOST, _OFTEN = 3, 4


def with_forked_verbs(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for a Snakemake whose local jobs fork from a process that has imported what verbs need."""
    return {**environment, "BASH_ENV": str(Path(__file__).with_name("verbs.sh")), "VERBS_SOCKET": _listen()}


@functools.cache
def _listen() -> str:
    """Answer clients in a thread, for as long as this process lives; returns the socket's path."""
    path = os.path.join(tempfile.mkdtemp(prefix="verbs-"), "socket")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(64)
    threading.Thread(target=_hand_on, args=(listener,), daemon=True).start()
    return path


def _hand_on(listener: socket.socket) -> None:
    """Give each client, with its request and files, to the process that was started with its environment."""
    servers: collections.OrderedDict[str, socket.socket] = collections.OrderedDict()
    met: collections.Counter[str] = collections.Counter()
    while True:
        client, _ = listener.accept()
        with client:
            data, fds, _, _ = socket.recv_fds(client, 1 << 20, 3)
            environment = {
                name: value
                for name, value in json.loads(data)["environment"].items()
                if name not in _NOT_THEIRS and not name.startswith(_OUR_NAMES)
            }
            key = json.dumps(environment, sort_keys=True)
            met[key] += 1
            if met[key] >= _OFTEN:
                if key not in servers:
                    servers[key], _ = start(__name__, environment)
                    if len(servers) > _MOST:
                        servers.popitem(last=False)[1].close()
                servers.move_to_end(key)
                try:
                    socket.send_fds(servers[key], [data], [client.fileno(), *fds])
                except OSError:
                    # It was killed; the client does without, the next one gets another.
                    servers.pop(key).close()
            for fd in fds:
                os.close(fd)


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
                runpy.run_module("aurorascope", run_name="__main__", alter_sys=True)
                sys.exit()
            status = os.waitstatus_to_exitcode(os.waitpid(verb, 0)[1])
            with socket.socket(fileno=client) as answer:
                answer.send(str(status).encode())
            os._exit(0)
        os.waitpid(waiting, 0)
        for fd in fds:
            os.close(fd)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
