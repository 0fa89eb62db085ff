"""Read mappings, as YAML gives them, with messages that name the nearest of what is known."""

import contextlib
import datetime
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aurorascope.errors import UserError, nearest


def check_keys(where: str, given: Any, known: Iterable[str], needed: Iterable[str] = ()) -> Mapping[str, Any]:
    """The mapping itself.

    Raises:
        UserError: it is no mapping, has an unknown key, or lacks a needed one.
    """
    known = tuple(known)
    if not isinstance(given, Mapping):
        raise UserError(where, f"a mapping with {', '.join(known)}", repr(given)[:80], "correct it")
    for key in given:
        if key not in known:
            raise UserError(f"{where}, {key}", f"one of the keys {', '.join(known)}", repr(key), nearest(key, known))
    for key in needed:
        if given.get(key) is None:
            raise UserError(f"{where}, {key}", "a value", "none", f"add the key {key}")
    return given


def check_list(where: str, given: Any) -> list[Any]:
    """A list or tuple that is not empty, as a list.

    Raises:
        UserError: it is something else.
    """
    if not isinstance(given, list | tuple) or not given:
        raise UserError(where, "a list of at least one", repr(given)[:80], "correct it")
    return list(given)


def check_number(where: str, given: Any) -> float:
    """A finite number, also as the text that YAML makes of 1e9.

    Raises:
        UserError: it is something else.
    """
    try:
        found = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise UserError(where, "a finite number", repr(given)[:80], "correct it")
    return found


def reads_as_number(given: Any) -> bool:
    """Whether `check_number` takes it."""
    try:
        check_number("", given)
    except UserError:
        return False
    return True


@contextlib.contextmanager
def saying(where: str) -> Iterator[None]:
    """Let errors of what is made of a study's words, which know of no study, say where in it these stand."""
    try:
        yield
    except UserError as error:
        raise UserError(where, error.expected, error.found, error.fix) from None


def check_integer(where: str, given: Any, least: int) -> int:
    """An integer of at least so much.

    Raises:
        UserError: it is something else.
    """
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        raise UserError(where, f"an integer of at least {least}", repr(given), "correct it")
    return given


def check_dates(where: str, given: Any) -> tuple[str, ...]:
    """Dates `YYYY-MM-DD`, each once, ascending.

    Raises:
        UserError: none, one twice, or something else.
    """
    dates = [str(each) for each in check_list(where, given)]
    for date in dates:
        try:
            is_one = datetime.date.fromisoformat(date).isoformat() == date
        except ValueError:
            is_one = False
        if not is_one or dates.count(date) > 1:
            raise UserError(where, "dates YYYY-MM-DD, each once", date, "correct it")
    return tuple(sorted(dates))
