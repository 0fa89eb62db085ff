"""A circuit as a file: read and checked as far as that needs neither model nor data. Nothing heavy is imported here."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aurorascope.blocks import BY_ID, nearest_block
from aurorascope.circuits.pairs import DEFAULT_BLOCKS, in_order
from aurorascope.errors import UserError
from aurorascope.studies.reading import (
    MOST_COUNTED,
    MOST_SEED,
    check_dates,
    check_each_once,
    check_integer,
    check_keys,
    check_list,
    check_name,
    check_number,
)
from aurorascope.studies.written import FileKind

FOLDER = Path("circuits")
"""Of the files, in the folder that a run is started in."""
_KIND = FileKind("circuit", "docs/circuits.md")
naming = _KIND.naming

KEYS = ("outcome", "blocks", "share", "most", "halves", "seed", "n_sets", "n_partitions")
SHARE, MOST, N_SETS, N_PARTITIONS = 0.8, 32, 20, 5
_FEWEST_BLOCKS = 2

Halves = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class CircuitFile:
    """What a file asks for.

    Attributes:
        path: of the file.
        name: of the circuit, which is the file's.
        asked: its keys, plain JSON.
        outcome: name of the outcome.
        blocks: ids, in forward order.
        share: of the summed size of all effects, what a block's nodes have at least.
        most: nodes of a block at most, errors not counted.
        halves: two sets of dates whose edges are compared; None where the file names none.
        seed: of all that is drawn.
        n_sets: matched sets of features.
        n_partitions: draws of random features.
    """

    path: Path
    name: str
    asked: Mapping[str, Any]
    outcome: str
    blocks: tuple[str, ...]
    share: float
    most: int
    halves: Halves | None
    seed: int
    n_sets: int
    n_partitions: int


def circuit_names(folder: Path = FOLDER) -> list[str]:
    """Names of the circuits that have a file, ascending."""
    return _KIND.names(folder)


def read_circuit_file(name: str, folder: Path = FOLDER) -> CircuitFile:
    """The file of a circuit.

    Raises:
        UserError: there is none, its name is no circuit's, it is no YAML mapping of plain values with each key once, or a key or its value
            is none that it may have.
    """
    path, given = _KIND.mapping(name, folder)
    with naming(path):
        check_keys("the circuit", given, KEYS, ("outcome",))
        outcome = check_name("the circuit, outcome", given["outcome"])
        share = check_number("the circuit, share", given.get("share", SHARE))
        if not 0 < share <= 1:
            raise UserError("the circuit, share", "a number above 0 and up to 1", f"{share:g}", "correct it")
        integers = {
            "most": (MOST, 1, MOST_COUNTED), "seed": (0, 0, MOST_SEED), "n_sets": (N_SETS, 0, MOST_COUNTED),
            "n_partitions": (N_PARTITIONS, 0, MOST_COUNTED),
        }
        return CircuitFile(
            path=path, name=name, asked=given, outcome=outcome, blocks=_blocks(given.get("blocks")), share=share,
            halves=_halves(given["halves"]) if given.get("halves") is not None else None,
            **{key: check_integer(f"the circuit, {key}", given.get(key, default), *range_) for key, (default, *range_) in integers.items()},
        )


def _blocks(given: Any) -> tuple[str, ...]:
    if given is None:
        return DEFAULT_BLOCKS
    where = "the circuit, blocks"
    found = check_list(where, given)
    for each in found:
        if not isinstance(each, str) or each not in BY_ID:
            raise UserError(where, "blocks of Aurora", repr(each), nearest_block(each))
    check_each_once(where, found, "block")
    if len(found) < _FEWEST_BLOCKS:
        raise UserError(where, "two blocks or more, since edges lead from one to another", found[0], "add a block")
    return in_order(found)


def _halves(given: Any) -> Halves:
    where = "the circuit, halves"
    found = check_list(where, given)
    if len(found) != 2:
        raise UserError(where, "two lists of dates", str(len(found)), "correct it")
    first, second = (check_dates(where, each) for each in found)
    if both := sorted({*first} & {*second}):
        raise UserError(where, "two lists without a date in both", both[0], "leave it out of one")
    return first, second
