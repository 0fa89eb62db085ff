"""Verbs without seconds of imports each: a process that has imported torch, Aurora and the rest forks for each.

Only what others wrote is imported before: each project of a test has its own copy of our library. Tests of kills, of namespaces, of
portable numbers and of a cluster start Snakemake itself, and so do all of its jobs.
"""

import importlib
import runpy
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.workflow.forks import handing_on
from tests.workflow.serving import serve

_LIBRARIES = ("numpy", "pandas", "pyarrow.parquet", "torch", "aurora", "safetensors.torch", "zarr", "xarray", "netCDF4")
_LIBRARIES += ("jsonschema", "tqdm", "yaml", "psutil", "einops", "matplotlib.figure", "matplotlib.backends.backend_agg")
_LIBRARIES += ("numba", "scipy.stats", "scipy.cluster.hierarchy", "blake3", "threadpoolctl", "jinja2", "safetensors.numpy")


def with_forked_verbs(environment: Mapping[str, str], is_usual: bool) -> dict[str, str]:
    """The environment for a Snakemake whose local jobs fork from a process that has imported what verbs need.

    Args:
        environment: the environment without that.
        is_usual: whether other projects' have the same. One that is met once has no such process: it would take longer to start than
            the verb.
    """
    found = {"BASH_ENV": str(Path(__file__).with_name("verbs.sh")), "VERBS_SOCKET": handing_on(), "VERBS_OFTEN": "1" if is_usual else "2"}
    return {**environment, **found}


def _start_compiler() -> None:
    """What numba makes ready when it compiles for the first time, a second of a verb that scores an atlas."""
    numba, numpy = importlib.import_module("numba"), importlib.import_module("numpy")

    @numba.njit(nogil=True)
    def add(x_nm: Any, y_n: Any) -> int:
        total = 0
        for i in range(len(y_n)):
            if x_nm[i, 0] > 0:
                total += max(numpy.int64(y_n[i]), 1)
        return total

    add(numpy.ones((2, 1)), numpy.ones(2, numpy.uint8))


def _run(asked: Mapping[str, Any]) -> None:
    sys.orig_argv = [sys.executable, *asked["words"]]
    sys.path[:1] = [asked["cwd"], *filter(None, asked["environment"].get("PYTHONPATH", "").split(":"))]
    runpy.run_module("aurorascope", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for _name in _LIBRARIES:
        importlib.import_module(_name)
    _start_compiler()
    serve(socket.socket(fileno=int(sys.argv[1])), _run, lambda words: [sys.executable, *words[2:]])
