"""Processes of a test's own functions, to be killed, that have imported everything already."""

import multiprocessing
from collections.abc import Callable
from typing import Any

# Read when the first of a test process' processes starts.
_IMPORTED = ["tests.activations.dumping", "tests.training.driver"]


def start(function: Callable[..., None], *args: Any, **options: Any) -> multiprocessing.process.BaseProcess:
    """Begin to run a function of a module that is named above."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_IMPORTED)
    process = context.Process(target=function, args=args, kwargs=options)
    process.start()
    return process
