"""Snakemake commands without two seconds of imports each: a process that has imported Snakemake once forks for each.

The fork is given the command's words, folder, environment and outputs, calls what the script `snakemake` calls and ends
as a Python process ends. Tests of kills, of namespaces and of a cluster start the script itself.
"""

import hashlib
import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.workflow.forks import ask
from tests.workflow.serving import serve

SNAKEMAKE = Path(sys.executable).with_name("snakemake")
_PATIENCE_S = 900
# What Snakemake imports once it has read its words, and what this workflow's rules import, but for our own library: each
# project of a test has its own copy of that.
_LATER = ("smart_open", "jsonschema", "snakemake.report", "docutils.core", "jinja2", "pygments")
# What planning imports, too, where studies or outcomes are read whole: nine seconds, again in each command whose files were never
# read before. Other projects' commands fork without, as what they do must not need it.
_READERS = ("torch", "aurora", "pandas", "xarray", "zarr", "scipy.stats")
# Stands for a file's path in what was parsed.
_PATH = "\0path\0"


def snakemake(words: Iterable[str], cwd: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess:
    """Run one command; returns the finished process with its output as text."""
    words, has_readers = list(words), any((cwd / name).is_dir() for name in ("studies", "outcomes"))
    server = ["tests.workflow.server", *(["readers"] if has_readers else [])]
    return subprocess.CompletedProcess([str(SNAKEMAKE), *words], *ask(server, words, cwd, environment, _PATIENCE_S))


def _share_parsed(folder: Path) -> None:
    """Have the forks parse rules of the same text once, which is half of a dry run: they differ in the file's path alone.

    What Snakemake's parser makes of a file follows from its text and the number of rules before it.
    """
    workflow = importlib.import_module("snakemake.workflow")
    parse = workflow.parse

    def parse_once(path: Any, of: Any, linemap: dict[int, int], overwrite_shellcmd: Any = None, rulecount: int = 0) -> tuple[str, int]:
        place = path.get_path_or_uri(secret_free=True)
        kept = folder / hashlib.sha256(f"{rulecount} {Path(place).read_text()}".encode()).hexdigest()
        if not kept.exists():
            code, count = parse(path, of, linemap, overwrite_shellcmd, rulecount)
            new = kept.with_suffix(f".{os.getpid()}")
            new.write_text(json.dumps([code.replace(repr(place), _PATH), count, list(linemap.items())]))
            new.rename(kept)
        code, count, lines = json.loads(kept.read_text())
        linemap.update(lines)
        return code.replace(_PATH, repr(place)), count

    workflow.parse = parse_once


def _serve(channel: socket.socket, has_readers: bool) -> None:
    cli = importlib.import_module("snakemake.cli")
    for name in (*_LATER, *(_READERS if has_readers else ())):
        importlib.import_module(name)
    # Imports all plugins.
    cli.get_argument_parser()
    # No TemporaryDirectory, which forks would delete at their end.
    folder = tempfile.mkdtemp(prefix="parsed-")
    _share_parsed(Path(folder))
    serve(channel, lambda asked: cli.main(), lambda words: [str(SNAKEMAKE), *words])
    shutil.rmtree(folder)


if __name__ == "__main__":
    # As for the script.
    sys.path[0] = str(SNAKEMAKE.parent)
    _serve(socket.socket(fileno=int(sys.argv[1])), "readers" in sys.argv[2:])
