"""Names and notes that a user gave to features, from a CSV that no rule writes."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError

_COLUMNS = ("block", "feature", "name")
SIGNS = (1, -1)


@dataclass(frozen=True)
class OwnName:
    """What a user wrote of one feature.

    Attributes:
        name: what it is called; may be empty.
        note: in the column note, where there is one.
    """

    name: str
    note: str = ""


# By (feature, sign), of one block.
OwnNames = Mapping[tuple[int, int], OwnName]


def read_own_names(path: Path) -> dict[str, OwnNames]:
    """Names and notes by block and then by (feature, sign), from a CSV of block, feature and name.

    A column sign, where there is one and it is not empty, says which of a feature's signs a line is of; else it is of both. A column
    note is kept. Other columns are the user's own. A file that is not there has no names.

    Raises:
        UserError: the file is not such a table, or names a feature twice.
    """
    if not path.exists():
        return {}
    found: dict[str, dict[tuple[int, int], OwnName]] = {}
    seen, of_a_sign = set(), []
    for where, row in _rows(path):
        block, feature, sign = (row.get(name, "").strip() for name in ("block", "feature", "sign"))
        # As pandas writes a column of numbers with gaps.
        feature, sign = (word.removesuffix(".0") for word in (feature, sign))
        if block not in BY_ID:
            raise UserError(where, "a block of Aurora, such as encoder_s1_b5", block, "correct the block")
        if not (feature.isascii() and feature.isdecimal()) or sign not in ("", *map(str, SIGNS)):
            raise UserError(where, "a feature's number, and a sign 1, -1 or none", f"{feature}, {sign}", "correct the line")
        if (block, int(feature), sign) in seen:
            raise UserError(where, "a feature once", f"{block} {feature} {sign} again", "keep one of the lines")
        seen.add((block, int(feature), sign))
        own = OwnName(row["name"].strip(), row.get("note", ""))
        if sign:
            of_a_sign.append((block, (int(feature), int(sign)), own))
        else:
            found.setdefault(block, {}).update({(int(feature), each): own for each in SIGNS})
    # A line of one sign goes before one of both, wherever it stands.
    for block, key, own in of_a_sign:
        found.setdefault(block, {})[key] = own
    return found


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Where each line stands, and its entries by column, of which none is missing."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), reader.fieldnames or ()
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(path, "CSV in UTF-8", str(error), "save it as CSV in UTF-8") from None
    if len(columns) == 1 and any(mark in columns[0] for mark in ";\t"):
        raise UserError(path, "columns parted by commas", repr(columns[0]), "save it as CSV with commas")
    if missing := sorted(set(_COLUMNS) - set(columns)):
        raise UserError(path, f"the columns {', '.join(_COLUMNS)}", f"none called {', '.join(missing)}", "correct its first line")
    for number, row in enumerate(rows, 2):
        where = f"{path}, line {number}"
        if None in row or None in row.values():
            raise UserError(where, f"the columns {', '.join(columns)}", ", ".join(map(str, row.values())), "correct the line, or the first one")
        yield where, row
