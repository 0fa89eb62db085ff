"""The commit that a result was made with."""

import functools
import subprocess
from pathlib import Path


@functools.cache
def git_state() -> tuple[str | None, bool | None]:
    """(commit, whether the tree has changes) of this checkout; (None, None) where this code is in no repository's files."""
    folder = Path(__file__).parent

    def ask(*words: str) -> str:
        run = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
        return run.stdout.strip()

    try:
        # An environment that this code is installed in may lie inside a repository of other code.
        ask("ls-files", "--error-unmatch", Path(__file__).name)
        return ask("rev-parse", "HEAD"), bool(ask("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return None, None
