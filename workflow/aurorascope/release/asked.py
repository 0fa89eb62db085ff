"""What `Suite.find` and `Suite.feature` are asked with: of the wrong type it is said, before a file is read."""

import math
import numbers
from collections.abc import Iterable
from typing import Any

from aurorascope.errors import UserError


def label(value: Any) -> str:
    """A label's id.

    Raises:
        UserError: it is no text.
    """
    if not isinstance(value, str):
        raise UserError("Suite.find, label", "the id of a label, as text", repr(value), 'write it in quotation marks: suite.find("jet")')
    return value


def least(value: Any) -> float:
    """A lowest F1.

    Raises:
        UserError: it is no number from 0 to 1.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= value <= 1:
        raise UserError("Suite.find, min_f1", "a number from 0 to 1", repr(value), _as_number(value, "min_f1=", "0.3"))
    return float(value)


def block_list(value: Any) -> list[str] | None:
    """Ids of blocks; None stays None.

    Raises:
        UserError: it is one text, no list, or a list of something else.
    """
    if value is None:
        return None
    fix = "write blocks=suite.select(stage=1) or a list of ids from suite.ids"
    if isinstance(value, str):
        raise UserError("Suite.find, blocks", "a list of ids of blocks", repr(value), f"write blocks=[{value!r}]")
    if not isinstance(value, Iterable):
        raise UserError("Suite.find, blocks", "a list of ids of blocks", repr(value), fix)
    found = list(value)
    if not found:
        raise UserError("Suite.find, blocks", "at least one block", "an empty list", fix)
    if strange := [each for each in found if not isinstance(each, str)]:
        raise UserError("Suite.find, blocks", "a list of ids of blocks, each a text", f"{strange[0]!r} among them", fix)
    return found


def block(value: Any) -> str:
    """A block's id.

    Raises:
        UserError: it is no text.
    """
    if not isinstance(value, str):
        raise UserError("Suite.feature, block_id", "the id of a block, as text", repr(value), 'take one of suite.ids: suite.feature("encoder_s1_b5", 0)')
    return value


def number(value: Any) -> int:
    """A feature's number.

    Raises:
        UserError: it is no whole number.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise UserError("Suite.feature, feature", "the number of a feature, a whole number from 0", repr(value), _as_number(value, "", "434"))
    return int(value)


def sign(value: Any) -> int:
    """A feature's sign.

    Raises:
        UserError: it is neither 1 nor -1.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value not in (1, -1):
        raise UserError("Suite.feature, sign", "1 or -1", repr(value), "leave it out, or write -1 for the negative values of a feature that has both")
    return int(value)


def _as_number(value: Any, name: str, example: str) -> str:
    """How what is meant as a number is written."""
    try:
        is_number = isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        is_number = False
    return f"write {name}{value} without quotation marks" if is_number else f"write {name}{example}, for example"
