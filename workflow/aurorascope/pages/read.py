"""Read what pages are made of: a block's atlas with its digests, and the names that a user gave to features."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from aurorascope.atlas.write import TABLES
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.files import check_file, read_record

# An atlas's verdict with which labels are shown.
CALIBRATED = "calibrated"
_COLUMNS = ("block", "feature", "name")

Names = Mapping[tuple[int, int], str]


@dataclass(frozen=True)
class BlockAtlas:
    """One block's atlas.

    Attributes:
        block_id: the block.
        summary: its record.
        tables: by name, those of `TABLES`.
    """

    block_id: str
    summary: Mapping[str, Any]
    tables: Mapping[str, pd.DataFrame]

    @property
    def verdict(self) -> str:
        """What the gate said, or why it was not asked."""
        return self.summary["verdict"]

    @property
    def shows_labels(self) -> bool:
        """Whether the gate lets labels be shown."""
        return self.verdict == CALIBRATED


def read_atlas(folder: Path, block_id: str) -> BlockAtlas:
    """One block's atlas from its folder.

    Raises:
        UserError: a file is missing or is not the one that the summary names.
    """
    record = folder / "summary.json"
    summary = read_record(record, "atlas")
    for name in TABLES:
        check_file(folder / f"{name}.parquet", summary[f"{name}_sha256"], record)
    return BlockAtlas(block_id, summary, {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES})


def read_names(path: Path) -> dict[str, Names]:
    """Names that a user gave to features, by block and then by (feature, sign), from a CSV of block, feature and name.

    A column sign, where there is one and it is not empty, says which of a feature's signs a name is of; else it is of both. Other
    columns, such as notes, are the user's own. A file that is not there has no names.

    Raises:
        UserError: the file is not such a table, or names a feature twice.
    """
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(path, "CSV in UTF-8", str(error), "save it as CSV in UTF-8") from None
    found: dict[str, dict[tuple[int, int], str]] = {}
    seen, of_a_sign = set(), []
    for number, row in enumerate(rows, 2):
        where = f"{path}, line {number}"
        if not set(_COLUMNS) <= row.keys() or None in row or None in row.values():
            raise UserError(where, f"the columns {', '.join(_COLUMNS)}", ", ".join(map(str, row.values())), "correct the line, or the first one")
        block, feature, sign = (row.get(name, "").strip() for name in ("block", "feature", "sign"))
        if block not in BY_ID:
            raise UserError(where, "a block of Aurora, such as encoder_s1_b5", block, "correct the block")
        if not (feature.isascii() and feature.isdecimal()) or sign not in ("", "1", "-1"):
            raise UserError(where, "a feature's number, and a sign 1, -1 or none", f"{feature}, {sign}", "correct the line")
        if (block, int(feature), sign) in seen:
            raise UserError(where, "a feature once", f"{block} {feature} {sign} again", "keep one of the lines")
        seen.add((block, int(feature), sign))
        if sign:
            of_a_sign.append((block, (int(feature), int(sign)), row["name"]))
        else:
            found.setdefault(block, {}).update({(int(feature), each): row["name"] for each in (1, -1)})
    for block, key, name in of_a_sign:
        found.setdefault(block, {})[key] = name
    return found
