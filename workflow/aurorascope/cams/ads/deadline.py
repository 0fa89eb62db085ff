"""An end to waiting that holds wherever the process waits: in a queue, in a sleep, in a body that trickles."""

import contextlib
import signal
import threading
from collections.abc import Iterator


class DeadlinePassed(BaseException):
    """The time is over. No `Exception`, since the client swallows those in places."""


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise in the block when it takes longer.

    Outside the main thread, where the system delivers no signal, the block is not bounded.

    Raises:
        DeadlinePassed: the block took longer than `seconds`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise DeadlinePassed

    before = signal.signal(signal.SIGALRM, ring)
    # It rings again every second: an exception raised inside a destructor is lost.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
