"""What a user should read even where nothing failed: said once at the end of the run, whatever the terminal is.

A job's log has it, too, but nobody reads the logs of jobs that succeeded. Under Snakemake the lines are collected in a
file, as errors are, and printed after the last job; a verb run by hand says them on stderr.
"""

import contextlib
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from aurorascope.redact import redact

VARIABLE = "AURORASCOPE_NOTICES"
_MOST = 8


def tell(lines: Iterable[str]) -> None:
    """Have lines printed at the end of the run."""
    text = "".join(f"{redact(' '.join(line.split()))}\n" for line in lines)
    collected = os.environ.get(VARIABLE)
    if not collected:
        sys.stderr.write(text)
        return
    # One write, so that lines of jobs that end together stay whole. On a full disk they still stand in the job's log.
    with contextlib.suppress(OSError), open(collected, "a", encoding="utf-8") as file:
        file.write(text)


def collected(path: Path) -> list[str]:
    """The lines of a run, each once, and no more than fit a screen; the file is removed."""
    if not path.exists():
        return []
    lines = list(dict.fromkeys(path.read_text(encoding="utf-8").splitlines()))
    path.unlink()
    return shortened(lines, "lines like these in results/logs")


def shortened(lines: Sequence[str], what: str, most: int = _MOST) -> list[str]:
    """The first lines, and how many more there are."""
    return list(lines) if len(lines) <= most + 1 else [*lines[:most], f"… and {len(lines) - most} more {what}"]
