"""Environment variables that pin each library's kernels, set before any of them is loaded. Nothing heavy is imported."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aurorascope.errors import UserError
from aurorascope.gpus import visible_gpus

SWITCHES = {
    # MKL: one path for all CPUs of all makers. No other value of it gives that: on an AMD CPU MKL ignores AVX2 and above.
    "MKL_CBWR": "COMPATIBLE",
    # torch's own kernels, and what oneDNN compiles while it runs.
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    # NumPy's matrix products and its own kernels.
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
    # libm, which chooses fused multiply-adds where a CPU has them; up to glibc 2.32 the names end in _Usable.
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX2_Usable,-FMA_Usable,-FMA4_Usable",
}
# NumPy takes this one or its opposite, and does not load with both.
_DROPPED = "NPY_ENABLE_CPU_FEATURES"
# Names of switches that stay as the user set them, to make this CPU behave like another.
EMULATED = "AURORASCOPE_EMULATED_BY"
# From the process that was started to the one that took its place: what the user had set otherwise.
_OVERRIDDEN = "AURORASCOPE_OVERRIDDEN"
_KEY = "config key compute.portable"


def check_platform(device: str, machine: str | None = None, libc: str | None = None, gpus: list[str] | None = None) -> None:
    """Refuse what no switch can pin.

    Args:
        device: the config key `aurora.device`.
        machine: architecture of the CPU; this machine's where None.
        libc: name of the C library; this process's where None.
        gpus: visible GPUs; this machine's where None.

    Raises:
        UserError: a GPU, a CPU that is not x86-64, or a C library other than glibc.
    """
    fix = "set compute.portable: false"
    machine = platform.machine() if machine is None else machine
    if machine.lower() not in ("x86_64", "amd64"):
        raise UserError(_KEY, "an x86-64 CPU, since other CPUs have other kernels", machine, fix)
    libc = (platform.libc_ver()[0] or sys.platform) if libc is None else libc
    if libc != "glibc":
        raise UserError(_KEY, "Linux with glibc, whose choice of kernels a variable pins", libc, fix)
    if device.startswith("cuda"):
        raise UserError(
            _KEY, "a CPU, since a GPU's kernels follow its model", f"aurora.device: {device}", f"set aurora.device: cpu, or {fix}"
        )
    gpus = visible_gpus() if gpus is None else gpus
    if device == "auto" and gpus:
        found = f"aurora.device: auto where {len(gpus)} GPU{'s are' if len(gpus) > 1 else ' is'} visible"
        raise UserError(_KEY, "a CPU, since a GPU's kernels follow its model", found, f"set aurora.device: cpu, or {fix}")


def is_asked_for(path: str | None) -> bool:
    """Whether the resolved configuration at `path` asks for portable numbers; what is wrong with it, others say."""
    try:
        return bool(json.loads(Path(path or "").read_text())["compute"]["portable"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def emulated(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The switches that stay as the user set them.

    Raises:
        UserError: the variable names something else.
    """
    names = environ.get(EMULATED, "").replace(",", " ").split()
    for name in names:
        if name not in SWITCHES:
            raise UserError(f"the variable {EMULATED}", "names of " + ", ".join(SWITCHES), name, "correct it")
    return names


def with_switches(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment with all switches set, and a note of those that were set otherwise."""
    kept = emulated(environ)
    wanted = {name: value for name, value in SWITCHES.items() if name not in kept}
    others = [f"{name}={environ[name]}" for name, value in wanted.items() if environ.get(name, value) != value]
    if _DROPPED in environ:
        others.append(f"{_DROPPED}={environ[_DROPPED]}")
    left = {name: value for name, value in environ.items() if name != _DROPPED}
    return {**left, **wanted, **({_OVERRIDDEN: " and ".join(others)} if others else {})}


def restart_with_switches() -> None:
    """Make this process one whose libraries find the switches; nothing where they are set.

    A library reads its variable when it is loaded, and the C library when the program starts: so the program starts anew.
    """
    environ = with_switches(os.environ)
    if environ != dict(os.environ):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environ)


def told(environ: Mapping[str, str] = os.environ) -> list[str]:
    """Sentences for the log: what was overridden, and what was not."""
    lines = []
    if environ.get(_OVERRIDDEN):
        lines.append(f"compute.portable: {environ[_OVERRIDDEN]} of the environment is overridden, for this process only.")
    lines += [
        f"compute.portable: {name} stays {environ.get(name, 'unset')}, as {EMULATED} asks; another machine may give other bits."
        for name in emulated(environ)
    ]
    return lines


def as_record(environ: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """What this process computes with, for its results' provenance: the switches as they are, and the C library."""
    return {"libc": " ".join(platform.libc_ver()), "switches": {name: environ.get(name) for name in SWITCHES}}
