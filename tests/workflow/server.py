"""Snakemake commands without two seconds of imports each: a process that has imported Snakemake once forks for each.

The fork is given the command's words, folder, environment and outputs, calls what the script `snakemake` calls and ends
as a Python process ends. Tests of kills, of namespaces and of a cluster start the script itself.
"""

import functools
import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.workflow.forks import ask, serve, start

SNAKEMAKE = Path(sys.executable).with_name("snakemake")
_PATIENCE_S = 900
# What Snakemake imports once it has read its words, and what this workflow's rules import, but for our own library: each
# project of a test has its own copy of that.
_LATER = ("smart_open", "jsonschema", "snakemake.report", "docutils.core", "jinja2", "pygments")
# What planning imports, too, where studies or outcomes are read whole: nine seconds, again in each command whose files were never
# read before. Other projects' commands fork without, as what they do must not need it.
_READERS = ("torch", "aurora", "pandas", "xarray", "zarr", "scipy.stats")


def snakemake(words: Iterable[str], cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess:
    """Run one command; returns the finished process with its output as text."""
    request = {"words": list(words), "cwd": str(cwd), "environment": dict(environment)}
    try:
        done = ask(*_server(any((cwd / name).is_dir() for name in ("studies", "outcomes"))), request)
    except TimeoutError:
        _server.cache_clear()
        raise
    return subprocess.CompletedProcess([str(SNAKEMAKE), *request["words"]], *done)


@functools.cache
def _server(has_readers: bool) -> tuple[socket.socket, subprocess.Popen]:
    channel, process = start(__name__, {**os.environ, "PYTHONPATH": ""}, *(["readers"] if has_readers else []))
    channel.settimeout(_PATIENCE_S)
    return channel, process


def _serve(channel: socket.socket, has_readers: bool) -> None:
    cli = importlib.import_module("snakemake.cli")
    for name in (*_LATER, *(_READERS if has_readers else ())):
        importlib.import_module(name)
    # Imports all plugins.
    cli.get_argument_parser()
    serve(channel, str(SNAKEMAKE), cli.main)


if __name__ == "__main__":
    # As for the script.
    sys.path[0] = str(SNAKEMAKE.parent)
    _serve(socket.socket(fileno=int(sys.argv[1])), "readers" in sys.argv[2:])
