"""Read matches that are there, their tables compared with their records."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.files import check_file, find_record, read_record, sha256_json
from aurorascope.judging import difference
from aurorascope.matching.chains import summary
from aurorascope.matching.matched import above_chance
from aurorascope.measures.stability.compare import share_alike
from aurorascope.records import KINDS

_LOG = logging.getLogger(__name__)
KIND = KINDS["match"]


def read_match(path: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """A record and its table.

    Raises:
        UserError: one is missing or damaged.
    """
    record, table = read_record(path, KIND.name), path.with_suffix(".parquet")
    check_file(table, record["table_sha256"], path)
    return record, pd.read_parquet(table)


def check_match(path: Path) -> None:
    """Compare what a record sums up with what its table gives.

    Raises:
        UserError: one is missing or damaged, or the record says other than its table.
    """
    record, table = read_match(path)
    m, is_known = len(table), record["chance"] is not None
    n_above = len(above_chance(table)) if is_known else None
    expected = {
        "n_matched": m, "score_mean": float(table["score"].mean()) if m else None,
        "share_alike": share_alike(table["score"].to_numpy(), tuple(record["n_features"])),
        "n_above_chance": n_above, "share_above_chance": n_above / m if is_known else None,
    }
    _refuse_difference(path, expected, record)


def check_chains(path: Path) -> None:
    """Compare what the record of chains sums up with what its table gives, and with the matches that it was made from, where these are
    still there and the same.

    Args:
        path: of the record.

    Raises:
        UserError: one is missing or damaged, or the record says other than its table or a match.
    """
    record = read_record(path, "chains")
    table, links = path.with_suffix(".parquet"), record["links"]
    check_file(table, record["table_sha256"], path)
    rows = pd.read_parquet(table)
    try:
        expected = summary(record["blocks"], links, rows)
    except (IndexError, ValueError, TypeError) as error:
        raise UserError.stale(path, f"entries that fit {table.name}", f"{type(error).__name__}: {error}") from None
    # Of each match that a chain goes through; the first feature of a chain has none before it.
    n_of = rows[rows["score"].notna()].groupby("block").size()
    expected["links"] = [link | {"n_above_chance": int(n_of.get(link["b"], 0)) if link["chance"] else None} for link in links]
    _refuse_difference(path, expected, record)
    for link in links:
        match = KIND.where(path.parents[1], a=link["a"], b=link["b"])
        found = find_record(match, KIND.name)
        if found is not None and sha256_json(found) == record["matches_sha256"][f"{link['a']}__{link['b']}"]:
            _refuse_difference(path, {key: found[key] for key in link}, link, f"{match.name}")


def _refuse_difference(path: Path, expected: Mapping[str, Any], found: Mapping[str, Any], of: str = "its table") -> None:
    other = difference(expected, {key: found[key] for key in expected}, ())
    if other:
        where, wanted, there = other
        raise UserError.stale(path, f"{', '.join(where)}: {wanted}, which {of} gives", str(there))


def matched_elsewhere(paths: Sequence[Path], block_id: str, sae_sha256: Mapping[str, str]) -> pd.DataFrame:
    """For each feature of a block those of other blocks that are matched with it above chance.

    Args:
        paths: of records, `pair.across_stages`; those of other blocks are left out.
        block_id: the block.
        sae_sha256: digest of the SAE of each block; matches of another SAE are left out, and the log says so.

    Returns:
        Columns feature (int32), block, near (int32, the other's latent), correlation (float64, negative where positive values of one go
        with negative ones of the other); features ascending, blocks in forward order.

    Raises:
        UserError: a record or its table is damaged.
    """
    parts = []
    for path in paths:
        names = KIND.names_in(path)
        if block_id not in names.values():
            continue
        record, table = read_match(path)
        if record["sae_sha256"] != [sae_sha256[record[side]] for side in ("a", "b")]:
            _LOG.warning("%s is of other SAEs than the atlases, and is not shown.", path)
            continue
        own, other = ("a", "b") if record["a"] == block_id else ("b", "a")
        kept = above_chance(table)
        parts.append(pd.DataFrame({
            "feature": kept[f"feature_{own}"], "block": record[other], "near": kept[f"feature_{other}"],
            "correlation": kept["sign"] * kept["score"],
        }))
    if not parts:
        types = {"feature": np.int32, "block": object, "near": np.int32, "correlation": np.float64}
        return pd.DataFrame({name: np.empty(0, kind) for name, kind in types.items()})
    found = pd.concat(parts, ignore_index=True)
    order = np.lexsort([found["block"].map(lambda block: BY_ID[block].depth_index), found["feature"]])
    return found.iloc[order].reset_index(drop=True)
