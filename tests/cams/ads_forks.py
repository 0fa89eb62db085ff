"""A verb on the data store without two seconds of imports: a process that has imported what it uses forks for each.

Only what others wrote is imported before, so that a fork imports our library as it lies there. Downloads that are killed start a
process of their own.
"""

import functools
import importlib
import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.workflow.forks import ROOT, ask, serve, start

_LIBRARIES = ("cdsapi", "ecmwf.datastores", "cf_units", "netCDF4", "pandas", "pyarrow.compute", "requests", "scipy", "tqdm", "xarray", "yaml", "zarr")
_PATIENCE_S = 120


def run_verb(words: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Run `python -m aurorascope` with these words; returns exit status, output and errors."""
    try:
        return ask(*_server(), {"words": list(words), "cwd": str(cwd), "environment": dict(environment)})
    except TimeoutError:
        _server.cache_clear()
        raise


@functools.cache
def _server() -> tuple[socket.socket, subprocess.Popen]:
    channel, process = start(__name__, os.environ)
    channel.settimeout(_PATIENCE_S)
    return channel, process


def _run() -> None:
    runpy.run_module("aurorascope", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    sys.path[0] = str(ROOT / "workflow")
    for _name in _LIBRARIES:
        importlib.import_module(_name)
    serve(socket.socket(fileno=int(sys.argv[1])), "aurorascope", _run)
