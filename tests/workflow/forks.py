"""Processes that fork for commands: what starts one, how it is asked for a command, and how a fork takes a command's place."""

import atexit
import gc
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]


def start(module: str, environment: Mapping[str, str], *words: str) -> tuple[socket.socket, subprocess.Popen]:
    """Run a module that is given the number of a socket and words; returns the socket's other end and the process."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        # It ends when this process does, or when nothing more is asked of it, since nothing else holds the other end.
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno()), *words],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
            env=environment,
        )
    return ours, process


def ask(channel: socket.socket, process: subprocess.Popen, request: Mapping[str, Any]) -> tuple[int, str, str]:
    """Have a process that `serve`s fork for a command; returns its exit status and what it wrote to its two outputs.

    Raises:
        TimeoutError: no answer in the channel's time; the process is killed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        socket.send_fds(channel, [json.dumps(request).encode()], [output.fileno(), errors.fileno()])
        try:
            answer = channel.recv(64)
        except TimeoutError:
            process.kill()
            raise
        assert answer, f"the process that forks for commands ended with {process.wait()}"
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return int(answer), *texts


def serve(channel: socket.socket, name: str, program: Callable[[], Any]) -> None:
    """Answer requests with exit statuses until the other end is closed; in a fork, run the program under that name with the request's
    words.
    """
    gc.freeze()
    while True:
        data, fds, _, _ = socket.recv_fds(channel, 1 << 20, 2)
        if not data:
            return
        pid = os.fork()
        if not pid:
            channel.close()
            request = json.loads(data)
            become(request, [os.open(os.devnull, os.O_RDONLY), *fds], [name, *request["words"]])
            run_and_end(program)
        for fd in fds:
            os.close(fd)
        channel.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())


def become(request: Mapping[str, Any], streams: Sequence[int], argv: Sequence[str]) -> None:
    """Make this fork what a new process would be, but for what it has imported.

    Args:
        request: its `environment`, and `cwd`, its folder.
        streams: open files that become its standard input, output and errors.
        argv: its `sys.argv`.
    """
    for target, source in enumerate(streams):
        os.dup2(source, target)
        os.close(source)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    os.chdir(request["cwd"])
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
