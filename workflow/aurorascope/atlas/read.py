"""Read a block's atlas, its files compared with the digests that its summary names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from aurorascope.files import check_file, read_record

TABLES = ("features", "labels", "examples", "maps")
# An atlas's verdict with which labels are shown.
CALIBRATED = "calibrated"


@dataclass(frozen=True)
class BlockAtlas:
    """One block's atlas.

    Attributes:
        block_id: the block.
        summary: its record.
        tables: by name, those of `TABLES` that were read.
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


def read_atlas(folder: Path, block_id: str, names: Sequence[str] = TABLES) -> BlockAtlas:
    """One block's atlas from its folder, with some of its tables.

    Raises:
        UserError: a file is missing or is not the one that the summary names.
    """
    record = folder / "summary.json"
    summary = read_record(record, "atlas")
    for name in names:
        check_file(folder / f"{name}.parquet", summary[f"{name}_sha256"], record)
    return BlockAtlas(block_id, summary, {name: pd.read_parquet(folder / f"{name}.parquet") for name in names})
