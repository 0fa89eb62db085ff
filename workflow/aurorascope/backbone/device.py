"""One place that decides where numbers are computed, with how many threads, and that repeats give the same bits."""

import fcntl
import os
import tempfile
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from aurorascope.errors import UserError

# Open lock files of the GPU this process took; closed, and so freed, when it ends, however it ends.
_HELD: list[int] = []


def claim_gpu(n_gpus: int, folder: Path) -> int:
    """Index of a GPU that no other process of this workflow on this machine has taken; 0 where all are.

    Snakemake bounds how many GPU jobs run at once but hands out no device, so two jobs would share the first.
    """
    for index in range(n_gpus):
        lock = os.open(folder / f"aurorascope-{os.getuid()}-gpu{index}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        _HELD.append(lock)
        return index
    return 0


def pick_device(name: str) -> torch.device:
    """The torch device for `aurora.device`; `auto` takes a free GPU, unless a scheduler has already chosen.

    Raises:
        UserError: CUDA is asked for by name and there is none.
    """
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(
            "config key aurora.device", "a CUDA device", "no CUDA device on this machine", "set aurora.device: auto"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cuda" and "CUDA_VISIBLE_DEVICES" not in os.environ and torch.cuda.device_count() > 1:
            name = f"cuda:{claim_gpu(torch.cuda.device_count(), Path(tempfile.gettempdir()))}"
    return torch.device(name)


def make_repeatable(threads: int) -> None:
    """Fix thread counts of torch and BLAS and, where there is a GPU, ask torch for deterministic algorithms.

    One against two threads changes every Aurora activation by about 3e-7, so the count is configuration, never what
    the scheduler happens to grant.
    """
    torch.set_num_threads(threads)
    threadpool_limits(limits=threads)
    # The CPU's algorithms are deterministic as they are, and this switch imports a compiler: 1 s and 150 MB a process.
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
