"""A verb on the data store without two seconds of imports: a process that has imported what it uses forks for each.

Only what others wrote is imported before, so that a fork imports our library as it lies there.
"""

import importlib
import os
import runpy
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.workflow.forks import ROOT, Begun, ask
from tests.workflow.serving import serve

_LIBRARIES = ("cdsapi", "ecmwf.datastores", "cf_units", "netCDF4", "pandas", "pyarrow.compute", "requests", "scipy", "tqdm", "xarray", "yaml", "zarr")
_PATIENCE_S = 120
_SERVER = ["tests.cams.ads_forks"]


def run_verb(words: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Run `python -m aurorascope` with these words; returns exit status, output and errors."""
    return ask(_SERVER, list(words), cwd, environment, _PATIENCE_S)


def begin_verb(words: Sequence[str], cwd: Path, environment: Mapping[str, str], errors: Path) -> Begun:
    """Begin to run it in a session of its own; what it writes to its errors is appended to a file."""
    with open(os.devnull, "wb") as nothing, open(errors, "ab") as file:
        return Begun(_SERVER, list(words), cwd, environment, nothing, file)


if __name__ == "__main__":
    sys.path[0] = str(ROOT / "workflow")
    for _name in _LIBRARIES:
        importlib.import_module(_name)
    serve(
        socket.socket(fileno=int(sys.argv[1])), lambda asked: runpy.run_module("aurorascope", run_name="__main__", alter_sys=True),
        lambda words: ["aurorascope", *words],
    )
