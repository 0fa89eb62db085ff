"""The commit that a result was made with."""

import functools
import subprocess
from pathlib import Path


@functools.cache
def git_state() -> tuple[str | None, bool | None]:
    """(commit, whether the tree has changes) of this checkout; (None, None) outside a repository."""
    folder = Path(__file__).parent

    def ask(*words: str) -> str:
        run = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
        return run.stdout.strip()

    try:
        return ask("rev-parse", "HEAD"), bool(ask("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None, None
