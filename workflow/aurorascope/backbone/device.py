"""One place that decides where numbers are computed, with how many threads, and that repeats give the same bits."""

import os

import torch
from threadpoolctl import threadpool_limits

from aurorascope.errors import UserError


def pick_device(name: str) -> torch.device:
    """The torch device for `aurora.device`.

    Raises:
        UserError: CUDA is asked for by name and there is none.
    """
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(
            "config key aurora.device", "a CUDA device", "no CUDA device on this machine", "set aurora.device: auto"
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
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
