"""Lines of the plan, and what measures and stages of higher rooms add to them."""

from dataclasses import dataclass

# What it is, how much, and where the number comes from.
Row = tuple[str, str, str]


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


def there(n: int, what: str) -> str:
    """How many of something an earlier run made."""
    return f"{n:,} {what} already there" if n else f"no {what} there yet"
