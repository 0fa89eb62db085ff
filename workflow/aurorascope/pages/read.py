"""Read what pages show beside an atlas: the names that a user gave to features, and which of them other seeds found."""

import dataclasses
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from aurorascope.atlas.own_names import read_own_names
from aurorascope.atlas.read import BlockAtlas
from aurorascope.blocks import BLOCK_IDS
from aurorascope.files import check_file, read_record
from aurorascope.measures.all import ALL_KINDS
from aurorascope.measures.stability.found import KIND, table_of, with_seeds
from aurorascope.notices import shortened

_LOG = logging.getLogger(__name__)
Names = Mapping[tuple[int, int], str]
_SHOWN = 5


def read_names(path: Path) -> dict[str, Names]:
    """Names that a user gave to features, by block and then by (feature, sign); notes are left out.

    Raises:
        UserError: as of `read_own_names`.
    """
    return {block: {key: own.name for key, own in found.items()} for block, found in read_own_names(path).items()}


def read_seeds(atlas: BlockAtlas, results: Path) -> BlockAtlas:
    """An atlas whose table of features says which of them other seeds found, where its block was compared with other seeds.

    A comparison of another SAE than the atlas's is left out, and the log says so.

    Raises:
        UserError: the comparison's record or table is damaged.
    """
    path = ALL_KINDS[KIND].where(results, block=atlas.block_id)
    comparison = None
    if path.is_file():
        record, table = read_record(path, KIND), Path(table_of(str(path)))
        if record["sae_sha256"] == atlas.summary["sae_sha256"]:
            check_file(table, record["table_sha256"], path)
            comparison = record, pd.read_parquet(table)
        else:
            _LOG.warning("%s: its comparison of seeds is of another SAE than its atlas, and is not shown.", atlas.block_id)
    features = with_seeds(atlas.tables["features"], comparison)
    return dataclasses.replace(atlas, tables={**atlas.tables, "features": features})


def names_of_nothing(names: Mapping[str, Names], there: Mapping[str, Iterable[tuple[int, int]]]) -> list[str]:
    """What names were given to that has no place on any page, in words, the blocks in forward order and no more than fit a line.

    Args:
        names: that a user gave, by block.
        there: (feature, sign) of all features of each block that has a page.
    """
    found = []
    for block in (block for block in BLOCK_IDS if block in names):
        if block not in there:
            found.append(f"{block} has no page here")
            continue
        known = set(there[block])
        named = sorted({feature for feature, _ in names[block]} - {key[0] for key in known & set(names[block])})
        if named:
            found.append(f"{block} has no feature {', '.join(shortened([str(each) for each in named], 'numbers', _SHOWN))}")
    return shortened(found, "blocks", _SHOWN)
