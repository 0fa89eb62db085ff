"""Progress of a transfer, and its end when more arrives than was announced: an endless body must not fill the disk."""

from collections.abc import Callable
from typing import Any

from aurorascope.progress import Progress

_MB = 1e6


class Overlong(RuntimeError):
    """More bytes than the store announced."""


class _Meter:
    """What the client calls with the number of bytes of each piece; the form of a tqdm bar."""

    def __init__(self, what: str, size: int, start: int) -> None:
        self._size, self._done = size, start
        self._progress = Progress(what, round(size / _MB), "MB")
        self._told = 0

    def __enter__(self) -> "_Meter":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, n_bytes: int) -> None:
        """Count a piece.

        Raises:
            Overlong: there is more than was announced.
        """
        self._done += n_bytes
        if self._done > self._size:
            raise Overlong(f"more than the {self._size} bytes announced")
        whole = int(self._done / _MB)
        if whole > self._told:
            self._progress.step(n=whole - self._told)
            self._told = whole

    def close(self) -> None:
        """End the bar."""
        self._progress.close()


def meter(what: str, size: int) -> Callable[..., Any]:
    """The client's progress bar: called with `total`, `initial` and `desc` for each transfer."""

    def start(initial: int = 0, **_: object) -> _Meter:
        return _Meter(what, size, initial)

    return start
