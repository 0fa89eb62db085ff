"""Commands run by processes that fork for them, shared by all test processes of a run.

Whoever wants a command sends it to one process, started by the first test process, that hands it on to a server: a module that
imports what such commands need and then serves (tests/workflow/serving.py). A library may read the environment while it is imported, so that a server is
of one environment, but for what only our own code, bash and tests read, and for what a fork sets as the start of a program does.
"""

import collections
import contextlib
import functools
import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from filelock import FileLock

ROOT = Path(__file__).parents[2]
# Each takes up to 600 MB, and up to ten seconds to start.
_MOST = 6
# Of a request and its files: the client's socket, and what become standard input, output and errors.
LONGEST, FILES = 1 << 20, 4
# For a server to start.
_START_S = 300
# What a test process sends that keeps the process that hands on alive.
_HOLD = b"hold"
# Read by nothing while a server imports it, and other in each test process or command.
_NOT_THEIRS = {"BASH_ENV", "CDSAPI_RC", "DAYS", "OLDPWD", "PWD", "PYTHONPATH", "SCRATCH", "SHLVL", "VERBS_OFTEN", "VERBS_SOCKET", "_"}
# By whoever sends a request, and where torch first looks for GPUs.
_NOT_THEIRS |= {"no_proxy", "NO_PROXY", "CUDA_VISIBLE_DEVICES"}
# Set by the fork itself.
_NOT_THEIRS |= {"TZ", "TEMP", "TEMPDIR", "TMP", "TMPDIR"}
_OUR_NAMES = ("AURORASCOPE_", "PYTEST_")


def ask(
    server: Sequence[str], words: Sequence[str], cwd: Path, environment: Mapping[str, str], patience_s: float
) -> tuple[int, str, str]:
    """Have a command run; returns its exit status and what it wrote to its two outputs.

    Args:
        server: the module that serves it, and words for the module, which runs in the environment of this process.
        words: the command's words.
        cwd: its folder.
        environment: its environment.
        patience_s: how long it may take.

    Raises:
        TimeoutError: no answer in time; the command is killed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        with contextlib.closing(Begun(server, words, cwd, environment, output, errors)) as begun:
            status = begun.wait(patience_s)
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return status, *texts


class Begun:
    """A command that has begun, in a session of its own.

    Args:
        server, words, cwd, environment: as for `ask`.
        output: file that takes its output.
        errors: file that takes its errors.

    Attributes:
        pid: its process.
    """

    def __init__(
        self, server: Sequence[str], words: Sequence[str], cwd: Path, environment: Mapping[str, str], output: IO, errors: IO
    ) -> None:
        asked = {
            "server": server, "imported_in": dict(os.environ), "tells_pid": True, "words": words, "cwd": str(cwd),
            "environment": dict(environment),
        }
        self._channel, self._status = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET), None
        self._channel.connect(handing_on())
        with open(os.devnull) as nothing:
            socket.send_fds(self._channel, [json.dumps(asked).encode()], [each.fileno() for each in (nothing, output, errors)])
        self.pid = self._received(_START_S)

    def _received(self, patience_s: float) -> int:
        self._channel.settimeout(patience_s)
        answer = self._channel.recv(64)
        assert answer, "the process that forks for commands has ended"
        return int(answer)

    def poll(self) -> int | None:
        """Exit status, None while it runs."""
        with contextlib.suppress(BlockingIOError):
            return self.wait(0)
        return None

    def wait(self, patience_s: float) -> int:
        """Exit status, once it has ended.

        Raises:
            TimeoutError: it has not in that time.
        """
        if self._status is None:
            self._status = self._received(patience_s)
        return self._status

    def close(self) -> None:
        """Kill it, unless it has ended."""
        self._channel.close()


def handing_on() -> str:
    """Path of the socket of what hands requests on."""
    return _held()[0]


@functools.cache
def _held() -> tuple[str, socket.socket]:
    """That path, and what keeps the process at its other end alive while this one lives."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    note = Path(tempfile.gettempdir(), f"forks-{run}")
    with FileLock(f"{note}.lock"):
        if not note.exists() or (held := _connected(note.read_text())) is None:
            folder = tempfile.mkdtemp(prefix="forks-")
            path = os.path.join(folder, "socket")
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            listener.bind(path)
            listener.listen(64)
            with listener:
                subprocess.Popen(
                    [sys.executable, "-m", __spec__.name, str(listener.fileno()), folder],
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
    """Give each client, with its request and files, to its server; end with the last test process that holds this one."""
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
            data, fds, _, _ = socket.recv_fds(client, LONGEST, FILES)
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
    asked = json.loads(data)
    found = asked.get("imported_in", asked["environment"])
    environment = {name: value for name, value in found.items() if name not in _NOT_THEIRS and not name.startswith(_OUR_NAMES)}
    key = json.dumps([asked["server"], environment], sort_keys=True)
    met[key] += 1
    if met[key] < asked.get("often", 1):
        return
    if key not in servers:
        servers[key] = _start(asked["server"], environment)
        if len(servers) > _MOST:
            servers.popitem(last=False)[1].close()
    servers.move_to_end(key)
    try:
        socket.send_fds(servers[key], [data], fds)
    except OSError:
        # It was killed; the client does without, the next one gets another.
        servers.pop(key).close()


def _start(server: Sequence[str], environment: Mapping[str, str]) -> socket.socket:
    """Run a server's module, which ends when the socket that is returned is closed, since nothing else holds that end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    module, *words = server
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno()), *words],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
            env=environment,
        )
    return ours


if __name__ == "__main__":
    _hand_on(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
