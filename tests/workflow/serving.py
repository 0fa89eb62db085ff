"""What a server does: fork for each command, and give the fork the command's place."""

import atexit
import contextlib
import functools
import gc
import json
import os
import random
import selectors
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from tests.workflow.forks import FILES, LONGEST


def serve(channel: socket.socket, run: Callable[[Mapping[str, Any]], Any], argv_of: Callable[[list[str]], list[str]]) -> None:
    """Fork for each request and send its client the exit status, until the other end is closed.

    Args:
        channel: where requests come from.
        run: what a fork does with a request.
        argv_of: its `sys.argv`, of a request's words.
    """
    gc.freeze()
    waiting = selectors.DefaultSelector()
    waiting.register(channel, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            if key.fileobj is channel:
                data, fds, _, _ = socket.recv_fds(channel, LONGEST, FILES)
                if not data:
                    return
                client, *streams = fds
                asked = json.loads(data)
                pid = os.fork()
                if not pid:
                    for each in (client, *(each.fd for each in waiting.get_map().values())):
                        os.close(each)
                    waiting.close()
                    become(asked, streams, argv_of(asked["words"]))
                    run_and_end(functools.partial(run, asked))
                for each in streams:
                    os.close(each)
                if "tells_pid" in asked:
                    _send(client, pid)
                for each in (ended := os.pidfd_open(pid), client):
                    waiting.register(each, selectors.EVENT_READ, (pid, ended, client))
                continue
            pid, ended, client = key.data
            if key.fd == ended:
                _answer(waiting, pid, ended, client)
            elif waiting.get_map().get(client) == key:
                # Whoever asked has been killed, or has lost patience.
                waiting.unregister(client)
                os.kill(pid, signal.SIGKILL)


def _answer(waiting: selectors.BaseSelector, pid: int, ended: int, client: int) -> None:
    """Send the exit status of a fork that has ended, and forget it."""
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for each in (ended, client):
        if each in waiting.get_map():
            waiting.unregister(each)
    _send(client, status)
    for each in (ended, client):
        os.close(each)


def _send(client: int, number: int) -> None:
    """Nothing, where the client has gone."""
    with contextlib.suppress(OSError):
        os.write(client, str(number).encode())


def become(asked: Mapping[str, Any], streams: Sequence[int], argv: Sequence[str]) -> None:
    """Make this fork what a new process would be, but for what it has imported.

    Args:
        asked: its `environment`, and `cwd`, its folder.
        streams: open files that become its standard input, output and errors.
        argv: its `sys.argv`.
    """
    if "tells_pid" in asked:
        os.setsid()
    # A shell that runs tests in the background has them ignore Ctrl-C, which is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for target, source in enumerate(streams):
        os.dup2(source, target)
        os.close(source)
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    os.chdir(asked["cwd"])
    time.tzset()
    tempfile.tempdir = None
    random.seed()
    sys.argv = list(argv)


def run_and_end(program: Callable[[], Any]) -> NoReturn:
    """Run what a command is and end as a Python process ends, threads and exit functions included, but for taking down what has been
    imported: half a second for torch and Aurora.
    """
    try:
        status = program()
    except SystemExit as ended:
        status = ended.code
    except Exception:
        sys.excepthook(*sys.exc_info())
        status = 1
    if not isinstance(status, int | None):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit((status or 0) & 0xFF)
