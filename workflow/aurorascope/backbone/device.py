"""One place that decides where numbers are computed, with how many threads, and that repeats give the same bits."""

import os

import torch
from threadpoolctl import threadpool_limits

from aurorascope.config.model import Compute
from aurorascope.errors import UserError
from aurorascope.gpus import claim_gpu, release_gpu
from aurorascope.portable.answers import check_answers


def pick_device(name: str) -> torch.device:
    """The torch device for `aurora.device`, where there is a choice a GPU that no other job has taken (`gpus.claim_gpu`).

    On a GPU, torch is asked for deterministic algorithms without TF32.

    Raises:
        UserError: CUDA is asked for by name and there is none.
    """
    if name in ("auto", "cuda"):
        # Before the first look at CUDA, which is when it reads what is visible.
        claim_gpu()
    has_cuda = name != "cpu" and torch.cuda.is_available()
    if not has_cuda:
        release_gpu()
        if name.startswith("cuda"):
            raise UserError(
                "config key aurora.device", "a CUDA device", "no CUDA device on this machine", "set aurora.device: auto"
            )
        return torch.device("cpu")
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    return torch.device("cuda" if name == "auto" else name)


def make_repeatable(compute: Compute) -> None:
    """Fix thread counts of torch and BLAS, and where portable numbers are asked for their kernels.

    One against two threads changes every Aurora activation by about 3e-7, so the count is configuration, never what
    the scheduler happens to grant.

    Raises:
        UserError: portable numbers are asked for and this machine's would be others.
    """
    if compute.portable:
        check_answers()
    torch.set_num_threads(compute.threads)
    threadpool_limits(limits=compute.threads)
