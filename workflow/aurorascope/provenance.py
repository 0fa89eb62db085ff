"""What a result was made with: versions, commit, device, threads. Kept out of records, which hold content only."""

import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

import torch

from aurorascope.config.model import Compute
from aurorascope.git import git_state
from aurorascope.portable.kernels import are_replaced
from aurorascope.portable.switches import as_record

_PACKAGES = ("torch", "microsoft-aurora", "numpy", "xarray", "zarr")
_CPUS = Path("/proc/cpuinfo")


def device_name(device: torch.device) -> str:
    """Kind of device that numbers came from: the GPU's model, or the CPU's architecture, widest instructions and model.

    All CPUs that compute portably are of one kind.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if are_replaced():
        return f"cpu {platform.machine()} portable"
    # Matrix products choose their instructions, and so their rounding, by what the CPU can do and who made it.
    model = _cpu_model()
    name = f"cpu {platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    return name if model is None else f"{name} ({model})"


def _cpu_model() -> str | None:
    lines = _CPUS.read_text().splitlines() if _CPUS.is_file() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), None)


def read_provenance(path: Path) -> dict[str, Any]:
    """What a result says it was made with; empty where nothing readable is there, since no number depends on it."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def provenance(device: torch.device, compute: Compute) -> dict[str, Any]:
    """Versions, commit, device, threads and where they are portable what pins the kernels; no host name, path or time."""
    commit, dirty = git_state()
    return {
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "packages": {
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
            # The one that runs the verb, which in an environment of the rules' own is not installed.
            "snakemake": os.environ.get("AURORASCOPE_SNAKEMAKE"),
        },
        "device": device_name(device),
        "threads": compute.threads,
        **({"portable": {"cpu": _cpu_model(), **as_record()}} if compute.portable else {}),
    }
