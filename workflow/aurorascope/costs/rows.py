"""Lines of the plan, and what measures and stages of higher rooms add to them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurorascope.errors import UserError
from aurorascope.files import find_record
from aurorascope.records import Kind

# What it is, how much, and where the number comes from.
Row = tuple[str, str, str]

NOT_COUNTED = "not counted"
"""How much, of what is refused."""


@dataclass(frozen=True)
class MeasureCost:
    """What one measure of SAEs costs, of the blocks that have no record of it yet.

    Attributes:
        label: what its hours are called.
        flop: operations.
        moved: bytes read.
        note: what to say after its hours.
        forwards: lines under Aurora's forwards.
        training: lines under the operations of training.
    """

    label: str
    flop: float
    moved: float
    note: str = ""
    forwards: tuple[Row, ...] = ()
    training: tuple[Row, ...] = ()


@dataclass(frozen=True)
class OtherCost:
    """What a stage costs that no plain run makes, for a section of its own.

    Attributes:
        title: its head.
        rows: its lines.
    """

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class FileCost:
    """What a file asks for costs.

    Attributes:
        value: how much, in words.
        basis: where that comes from.
        n_done: how many of what it asks for an earlier run made.
        left: operations of what is not made yet.
        kept: bytes that it will write and keep, beside its results.
    """

    value: str
    basis: str
    n_done: int
    left: float
    kept: float = 0.0


def count_files(names: Sequence[str], count: Callable[[str], FileCost]) -> tuple[list[Row], list[FileCost]]:
    """A line for each file, and what those cost that are in order.

    Args:
        names: of the files.
        count: what one costs; it raises what is wrong with it, which is then its line.
    """
    rows: list[Row] = []
    found: list[FileCost] = []
    for name in names:
        try:
            cost = count(name)
        except UserError as error:
            rows.append((name, NOT_COUNTED, error.one_line()))
            continue
        rows.append((name, cost.value, cost.basis))
        found.append(cost)
    return rows, found


def is_there(kind: Kind, path: Path, expected: Mapping[str, Any]) -> bool:
    """Whether there is a record with some entries."""
    record = find_record(path, kind.name)
    return record is not None and all(record.get(key) == value for key, value in expected.items())


def there(n: int, what: str) -> str:
    """How many of something an earlier run made."""
    return f"{n:,} {what} already there" if n else f"no {what} there yet"


def not_counted(sections: Sequence[OtherCost], what: str, target: str) -> list[str]:
    """A last line of the plan where something was not counted, lest it be read as fitting; none where all was.

    Args:
        sections: of the plan.
        what: one of what they count, a word: `study`.
        target: that makes them.
    """
    names = [row[0] for section in sections for row in section.rows if row[1] == NOT_COUNTED]
    if not names:
        return []
    several = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    subject = f"The {what} {names[0]} is" if len(names) == 1 else f"The {several} {', '.join(names)} are"
    return [f"{subject} not counted, and the target `{target}` runs none before this is mended: see above."]
