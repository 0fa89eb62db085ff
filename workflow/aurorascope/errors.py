"""The one error a user is meant to read.

Every failure that a user can cause or mend is raised as a `UserError`, which carries the four things that such a
reader needs: where, what was expected, what was found, and the next command. The command line prints it as one line
(`cli/__main__.py`); anything else that escapes a verb is a defect of ours and keeps its traceback.
"""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path

GIVEN = "AURORASCOPE_GIVEN"
"""The variable that holds what the running snakemake was given as `--configfile` and `--config`, in words for a shell."""


def snakemake(words: str) -> str:
    """A command for a user, with the configuration that the running snakemake was given, so that it does what is meant."""
    return " ".join(filter(None, ["snakemake", words, os.environ.get(GIVEN)]))


def as_then() -> str:
    """What a command lacks that is told outside of Snakemake, where nobody knows what configuration a suite was made with."""
    return "" if GIVEN in os.environ else " with the same --configfile and --config as then"


def remake(path: object) -> str:
    """The command that makes a file of the workflow again."""
    return f"rm -f {path} && {snakemake(f'{path} --cores 1')}"


ALIKE = 0.35
"""Similarity below which no name is meant by another; transposed short names such as t2 and 2t have 0.5."""


def nearest(found: object, known: Iterable[object]) -> str:
    """What to do about an unknown name: take the nearest of the known ones, if one is near."""
    known = [each for each in known if each is not None]
    names = [str(each) for each in known]
    if not names:
        return "leave it out"
    if found is None:
        return "add the key"
    if _is_number(found) and all(map(_is_number, known)):
        return f"take {min(known, key=lambda each: abs(each - found))}"
    # Other capitals first, then letters in another order: t2 is meant to be 2t, not t.
    near = [name for name in names if name.lower() == str(found).lower()]
    near = near or [name for name in names if sorted(name) == sorted(str(found))] or difflib.get_close_matches(str(found), names, 1, ALIKE)
    return f"take {near[0]}" if near else "take one of these"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def make_or_take(path: Path) -> str:
    """What to do about a record `<date>.json` that is not there: nothing is damaged, and the date may be none of the run's."""
    dates = sorted(each.stem for each in path.parent.glob("????-??-??.json"))
    there = f"take one of the run's dates, of which {dates[0]} to {dates[-1]} are there, or make it: " if dates else ""
    return f"{there}{snakemake(f'{path} --cores 1')}"


class UserError(Exception):
    """A failure with its place, expectation, finding and next step.

    Args:
        where: the file, config key or target concerned.
        expected: what should have been there.
        found: what was there.
        fix: the next command or edit, in plain words.

    Attributes:
        status: exit status of the verb that ends with it.
    """

    status = 1

    def __init__(self, where: object, expected: str, found: str, fix: str) -> None:
        self.where, self.expected, self.found, self.fix = str(where), expected, found, fix
        super().__init__(f"{where}: expected {expected}, found {found}. Next: {fix}")

    @classmethod
    def stale(cls, path: object, expected: str, found: str, record: object | None = None) -> "UserError":
        """One whose next step is to make `path` again, or the record that it comes with."""
        return cls(path, expected, found, remake(path if record is None else record))

    @classmethod
    def of_many(cls, failed: "dict[str, UserError]", n: int) -> "UserError":
        """The first of several blocks' errors, which says in how many of `n` blocks there was one, and in which."""
        first = next(iter(failed.values()))
        where = f"{first.where} (and in all {len(failed)} of {n} blocks: {', '.join(failed)})"
        return cls(where, first.expected, first.found, first.fix)

    def one_line(self) -> str:
        """The message without line breaks, so that it can be the last line that a user reads."""
        return " ".join(str(self).split())


class DiskError(UserError):
    """A disk that is full, read-only or broken."""


class TryAgainError(UserError):
    """Nothing is wrong with what was asked; the same command may succeed later. Exit status EX_TEMPFAIL."""

    status = 75


class FatalError(UserError):
    """Every other job of this kind would fail in the same way. Exit status EX_CONFIG."""

    status = 78
