"""The answers that every machine must give (`answers.json`): made once, and again when a version in the lock changes them."""

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

from aurorascope.errors import UserError
from aurorascope.portable.switches import EMULATED, emulated, with_switches

RECORDED = Path(__file__).with_name("answers.json")
_KEY = "config key compute.portable"
_FIX = "install the versions of requirements.lock, or set compute.portable: false"


def compare(found: dict[str, str]) -> None:
    """Compare answers (`answers.compute_answers`) to the recorded ones.

    Raises:
        UserError: an operation gives other bits here.
    """
    recorded = json.loads(RECORDED.read_text())
    others = [name for name in recorded if found.get(name) != recorded[name]]
    if others:
        turned_off = emulated()
        if turned_off:
            raise UserError(
                _KEY, f"the bits that {len(recorded)} operations give on other machines", f"others of {', '.join(others[:5])}, with "
                f"{' and '.join(turned_off)} left as {EMULATED} asks", f"unset {EMULATED}",
            )
        versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "numpy"))
        raise UserError(
            _KEY, f"the bits that {len(recorded)} operations give on other machines",
            f"others of {', '.join(others[:5])}{f' and {len(others) - 5} more' if len(others) > 5 else ''} with {versions} and "
            f"{' '.join(platform.libc_ver())}, whose kernels no switch pins", _FIX,
        )


def check_interpreter() -> None:
    """Compare the answers of this interpreter's libraries, in a process of its own that finds the switches.

    Raises:
        UserError: an operation gives other bits here, or a library cannot be loaded.
    """
    command = [sys.executable, "-m", "aurorascope.portable.answers"]
    environ = with_switches(os.environ) | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise UserError(_KEY, "libraries that can be loaded", last, _FIX)
    compare(json.loads(done.stdout))
