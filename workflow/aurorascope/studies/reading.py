"""Read mappings, as YAML gives them, with messages that name the nearest of what is known."""

import contextlib
import datetime
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aurorascope.errors import UserError, nearest

LARGEST = (2 - 2**-23) * 2.0**127
"""The largest number of float32, which Aurora computes in."""
MOST = 1e6
"""Of a factor: with a larger one no change is meant."""
MOST_COUNTED, MOST_SEED = 1000, 2**63 - 1
"""Of whatever is counted, each of which costs forwards; and of a seed."""
PLAIN_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TITLE = re.compile(r"[^\W_][\w .,()-]{0,79}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


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


def check_title(where: str, given: Any) -> None:
    """Refuse what is no name that tables and pages can show; one of digits is a number to YAML, and a name all the same.

    Raises:
        UserError: it is something else than words on one line.
    """
    if isinstance(given, bool) or not isinstance(given, str | int) or not _TITLE.fullmatch(str(given)):
        expected = "a name of letters, digits, spaces and . , ( ) _ -, which begins with a letter or digit"
        raise UserError(where, expected, repr(given)[:80], "rename it")


def check_each_once(where: str, found: list[Any], what: str) -> None:
    """Refuse a list with something twice.

    Args:
        where: what errors begin with.
        found: the list, of values that can be compared.
        what: one of them, a word.

    Raises:
        UserError: naming the first that is there twice.
    """
    twice = next((each for each in found if found.count(each) > 1), None)
    if twice is not None:
        raise UserError(where, f"each {what} once", f"{twice} twice", "leave one out")


def check_name(where: object, given: Any) -> str:
    """A name that files and folders can have.

    Raises:
        UserError: it is something else.
    """
    if not isinstance(given, str) or not _NAME.fullmatch(given):
        raise UserError(where, "a name of letters, digits, _ and -, which begins with a letter or digit", repr(given)[:80], "rename it")
    return given


def check_number(where: str, given: Any, most: float = LARGEST) -> float:
    """A finite number, also as the text that YAML makes of 1e9.

    Args:
        where: what errors begin with.
        given: the number, or a plain decimal one as text.
        most: its size at most.

    Raises:
        UserError: it is something else.
    """
    is_other = isinstance(given, bool) or (isinstance(given, str) and not PLAIN_NUMBER.fullmatch(given))
    try:
        found = math.nan if is_other else float(given)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise UserError(where, "a finite number", repr(given)[:80], "correct it")
    if abs(found) > most:
        raise UserError(where, f"a number of size {most:.3g} at most", repr(given)[:80], "correct it")
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


def check_integer(where: str, given: Any, least: int, most: int = MOST_COUNTED) -> int:
    """An integer of at least so much, and at most so much.

    Raises:
        UserError: it is something else.
    """
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        raise UserError(where, f"an integer of at least {least}", repr(given)[:80], "correct it")
    if given > most:
        raise UserError(where, f"an integer of at most {most}", repr(given)[:80], "correct it")
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
