"""The environment of the other libraries, `.venv-peers`, and their processes as benchmarks/step.py sees them."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

_HERE = Path(__file__).parent
_ENVIRONMENT = _HERE.parent / ".venv-peers"
_REQUIREMENTS = _HERE / "requirements.txt"
_REASON_LENGTH = 300
# No library may call home, nor ask for a login. Without a GPU, sparsify's own kernels end in an error.
_QUIET = {"SPARSIFY_DISABLE_TRITON": "1", "WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}


class PeerError(Exception):
    """A library, or the environment of all, cannot be used; the text says why."""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_REASON_LENGTH] if lines else "it said nothing"


def _run(*command: str | Path) -> None:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        raise PeerError(f"{_ENVIRONMENT.name} could not be made: {_last_line(done.stderr)}")


def make_environment() -> Path:
    """Make the environment unless it is there and up to date; returns its Python.

    It holds what requirements.txt names; torch and the rest come from the packages of the running Python, which it
    sees after its own, so that all time the same build of torch.

    Raises:
        PeerError: venv or pip failed.
    """
    python, ready = _ENVIRONMENT / "bin" / "python", _ENVIRONMENT / ".ready"
    packages = Path(torch.__file__).parents[1]
    wanted = f"{torch.__version__}\n{_REQUIREMENTS.read_text()}"
    if ready.is_file() and ready.read_text() == wanted:
        return python
    print(f"Making {_ENVIRONMENT.name}, about 1 GB; this takes a few minutes.", file=sys.stderr)
    shutil.rmtree(_ENVIRONMENT, ignore_errors=True)
    _run(sys.executable, "-m", "venv", _ENVIRONMENT)
    _run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", "-r", _REQUIREMENTS)
    [own] = _ENVIRONMENT.glob("lib/python*/site-packages")
    # After pip, which must not take the packages of the other environment for its own.
    (own / "main_environment.pth").write_text(f"{os.path.relpath(packages, own)}\n")
    ready.write_text(wanted)
    return python


def run_script(script: Path, *arguments: str) -> Any:
    """What a script prints, JSON, run once by the environment's Python; the environment is not made for it.

    Raises:
        PeerError: the environment is not there, or the script failed.
    """
    python = _ENVIRONMENT / "bin" / "python"
    if not python.exists():
        raise PeerError(f"there is no {_ENVIRONMENT.name}; python benchmarks/step.py makes it")
    done = subprocess.run([python, script, *arguments], capture_output=True, text=True, env={**os.environ, **_QUIET})
    if done.returncode:
        raise PeerError(f"{script.name} failed: {_last_line(done.stderr)}")
    return json.loads(done.stdout)


class Peer:
    """The process of one library's step, or of one of ours.

    Args:
        name: what the tables call it.
        python: of the environment that holds it.
        script: beside this file; it answers as `peers.serve` does.
        arguments: the script's.
    """

    def __init__(self, name: str, python: Path, script: str, *arguments: object) -> None:
        self.name, self._errors = name, tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            [python, _HERE / script, *map(str, arguments)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env={**os.environ, **_QUIET},
        )

    def _ask(self, **request: str) -> dict[str, Any]:
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._errors.seek(0)
            raise PeerError(f"its process ended, code {self._process.wait()}: {_last_line(self._errors.read())}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(" ".join(answer["error"].split())[:_REASON_LENGTH])
        return answer

    def prepare(self, folder: Path) -> str:
        """Load x.npy, W_enc.npy and W_dec.npy, build the SAE and warm up; returns the version of what it times."""
        return self._ask(do="prepare", folder=str(folder))["version"]

    def units(self) -> float:
        """One timed repeat, in units of one matrix product there."""
        return self._ask(do="repeat")["units"]

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(BrokenPipeError):  # it may have ended with a request unread
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._errors.close()
