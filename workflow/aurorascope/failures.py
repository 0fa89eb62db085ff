"""Blocks that fail one by one: the others go to their end, and the failures are one error in the end."""

import contextlib
import logging
from collections.abc import Iterator

from aurorascope.errors import UserError

_LOG = logging.getLogger(__name__)


class Failures:
    """Errors of single blocks among many that one process works through.

    Args:
        n: number of blocks in all.

    Example:
        >>> failures = Failures(2)
        >>> for block_id in ("encoder_s0_b0", "encoder_s0_b1"):
        ...     with failures.kept(block_id):
        ...         pass
        >>> failures.end()
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._errors: dict[str, UserError] = {}

    @contextlib.contextmanager
    def kept(self, block_id: str) -> Iterator[None]:
        """Log and keep a `UserError` of one block instead of raising it; anything else is a defect and is raised at once."""
        try:
            yield
        except UserError as error:
            _LOG.error("%s", error.one_line())
            self._errors[block_id] = error

    def end(self) -> None:
        """Say what failed, once all blocks were tried.

        Raises:
            UserError: the first block's, which names all blocks that failed.
        """
        if self._errors:
            raise UserError.of_many(self._errors, self._n)
