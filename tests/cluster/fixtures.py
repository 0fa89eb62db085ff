"""The test cluster, up while a test process needs it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from aurorascope.gpus import visible_gpus

SCRIPT = Path(__file__).with_name("slurm.sh")
# One folder for all test processes of this machine, since /etc/slurm names one cluster.
FOLDER = Path(tempfile.gettempdir()) / "aurorascope-slurm"


def _lacks():
    """What this machine lacks for a cluster, or None."""
    path = os.environ["PATH"] + ":/usr/sbin"
    missing = [name for name in ("slurmctld", "slurmd", "sbatch", "munged") if shutil.which(name, path=path) is None]
    if missing:
        return f"no {', '.join(missing)}: install the packages slurm-wlm and munge"
    if visible_gpus():
        return "the pretended GPUs would name the real ones of this machine"
    if os.getuid():
        return "only root can start the daemons of SLURM"
    up = subprocess.run([SCRIPT, "up", FOLDER, str(os.getpid())], capture_output=True, text=True)
    return up.stderr.strip() if up.returncode else None


@pytest.fixture(scope="session")
def cluster():
    """SLURM on one node with eight CPUs and four pretended GPUs; skips where it cannot be, but on CI."""
    why = _lacks()
    if why:
        # .ci/run installs what is needed, so that a skip there is a fault.
        (pytest.fail if os.environ.get("AURORASCOPE_NEED_SLURM") else pytest.skip)(why)
    yield
    subprocess.run([SCRIPT, "down", FOLDER, str(os.getpid())], check=True)
