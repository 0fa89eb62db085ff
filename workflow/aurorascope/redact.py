"""Secrets that no text of ours may show.

A key is registered when it is read; everything written by a log handler or printed as an error passes through here. It
is needed because libraries below us put header values into their exceptions and debug messages.
"""

import logging

_SECRETS: set[str] = set()
SHORTEST = 4


def hide(secret: str | None) -> None:
    """Register a secret. Texts shorter than `SHORTEST` characters are no secrets and would garble every line."""
    if secret and len(secret) >= SHORTEST:
        _SECRETS.add(secret)


def redact(text: str) -> str:
    """The text with every registered secret replaced."""
    for secret in sorted(_SECRETS, key=len, reverse=True):
        text = text.replace(secret, "<key>")
    return text


class Formatter(logging.Formatter):
    """A log formatter whose lines, tracebacks included, hold no registered secret."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        return redact(super().format(record))
