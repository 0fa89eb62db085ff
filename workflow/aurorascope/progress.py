"""What a reader of the terminal sees: a bar there, one sentence a minute anywhere else; and what a verb found out."""

import logging
import sys
import time

from tqdm import tqdm

from aurorascope.redact import redact

_LOG = logging.getLogger(__name__)
_INTERVAL_S = 60.0


def tell(text: str) -> None:
    """Show a finding on the terminal as it is, once, and keep it in the log."""
    text = redact(text)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler):
            handler.handle(_LOG.makeRecord(_LOG.name, logging.INFO, __file__, 0, "%s", (text,), None))


class Progress:
    """Counts finished items of one loop.

    Args:
        what: the work, as the start of a sentence.
        total: items in all.
        unit: name of one item.
    """

    def __init__(self, what: str, total: int, unit: str) -> None:
        self.what, self.total, self.unit, self.done = what, total, unit, 0
        self._start = self._told = time.monotonic()
        self._bar = tqdm(total=total, desc=what, unit=unit, file=sys.stderr) if sys.stderr.isatty() else None

    def step(self, note: str = "", n: int = 1) -> None:
        """Count `n` finished items; `note` says how it goes."""
        self.done += n
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(n)
        now = time.monotonic()
        if now - self._told >= _INTERVAL_S:
            self._told = now
            rate = self.done / (now - self._start)
            left = (self.total - self.done) / rate
            _LOG.info(
                "%s: %d of %d %ss, %.3g a minute, %.0f s left. %s",
                self.what, self.done, self.total, self.unit, 60 * rate, left, note,
            )

    def close(self) -> None:
        """End the bar and say how long it took."""
        if self._bar is not None:
            self._bar.close()
        _LOG.info("%s: %d %ss in %.1f s.", self.what, self.done, self.unit, time.monotonic() - self._start)
