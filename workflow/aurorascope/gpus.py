"""Which GPUs this machine lets us use, and one of them for each process: Snakemake bounds jobs, but hands out no device.

Without it, all jobs of a run would compute on the first GPU. A process takes one by locking a file that is named after it, in
a folder of this user on this machine, and sees no other from then on; the system frees the lock when the process ends, however
it ends. Nothing heavy is imported: Snakemake counts the GPUs when it parses.
"""

import fcntl
import logging
import os
import re
import time
from collections.abc import MutableMapping
from pathlib import Path

from aurorascope.errors import UserError
from aurorascope.files import disk_errors

_LOG = logging.getLogger(__name__)
_DEVICES = Path("/dev")
# Not TMPDIR, which may be another one for each job.
_LOCKS = Path("/tmp")
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_POLL_S = 1.0
# The open lock file of the GPU that this process has taken.
_HELD: list[int] = []


def visible_gpus(environ: MutableMapping[str, str] = os.environ, devices: Path = _DEVICES) -> list[str]:
    """The GPUs that CUDA_VISIBLE_DEVICES names, as CUDA reads it; where it is not set, 0, 1, … for each file nvidia0, nvidia1, …"""
    named = environ.get(_VISIBLE)
    if named is None:
        # CUDA counts from 0 whatever the files are called.
        return [str(i) for i, _ in enumerate(path for path in devices.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name))]
    found = []
    for word in (part.strip() for part in named.split(",")):
        # The first that names none hides all that follow.
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", word):
            break
        found.append(word)
    return list(dict.fromkeys(found))


def gpu_bound(device: str, environ: MutableMapping[str, str] = os.environ, devices: Path = _DEVICES) -> int:
    """How many jobs that ask for a GPU may run at once on this machine; without a GPU, as many as there are cores.

    A device that the config key `aurora.device` names with its number is the only one.
    """
    return 1 if device.startswith("cuda:") else len(visible_gpus(environ, devices)) or 10_000


def claim_gpu(
    environ: MutableMapping[str, str] = os.environ, devices: Path = _DEVICES, locks: Path = _LOCKS
) -> str | None:
    """Take a GPU for the rest of this process, before CUDA starts, and make it the only visible one; waits where all are taken.

    A GPU that SLURM or the user chose is left as it is. Of several, one is taken; those of a SLURM job are that job's alone, and
    are numbered anew in each.

    Args:
        environ: the environment, which CUDA_VISIBLE_DEVICES is written to.
        devices: the folder of the device files.
        locks: where the folder of lock files lies.

    Returns:
        The GPU; None where there is none, or none to choose from.

    Raises:
        UserError: the lock files cannot be written, or belong to someone else.
    """
    gpus = visible_gpus(environ, devices)
    is_chosen = _VISIBLE in environ and len(gpus) < 2
    if _HELD or is_chosen or not gpus:
        return None
    job = environ.get("SLURM_JOB_ID") if _VISIBLE in environ else None
    folder = _own_folder(locks / f"aurorascope-gpus-{os.getuid()}")
    has_waited = False
    while True:
        for gpu in gpus:
            if _locked(folder / re.sub(r"\W", "_", f"{job}-{gpu}" if job else gpu)):
                environ[_VISIBLE] = gpu
                return gpu
        if not has_waited:
            _LOG.info("All %d GPUs are taken by other jobs of this user: waiting for one.", len(gpus))
        has_waited = True
        time.sleep(_POLL_S)


def release_gpu() -> None:
    """Give the GPU back, since nothing will be computed on it."""
    while _HELD:
        os.close(_HELD.pop())


def _own_folder(folder: Path) -> Path:
    """The folder, made where it is missing; in a place that all users write to, another's is not to be trusted."""
    with disk_errors(folder, every=True):
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid != os.getuid():
            raise UserError(folder, "a folder of this user", "one of another user", "have it removed, then run again")
    return folder


def _locked(path: Path) -> bool:
    """Take a lock file, unless another process has it."""
    with disk_errors(path, every=True):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return False
    _HELD.append(handle)
    return True
