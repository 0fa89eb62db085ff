"""Chains of features that go on from block to block: each the match of the one before, above chance.

Matches are one to one, so that a feature has at most one that comes before it and one after it, and chains do not cross. A chain says that
each of its links is there; that its ends are alike does not follow.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from aurorascope.blocks import BY_ID
from aurorascope.matching.matched import above_chance

_TYPES = {"chain": np.int32, "depth": np.int16, "feature": np.int32, "sign": np.int8, "score": np.float64}


def chain_rows(blocks: Sequence[str], links: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """All chains of at least two features.

    Args:
        blocks: ids in forward order.
        links: tables of matches of each two that follow each other.

    Returns:
        A row for each feature of a chain: chain (numbered by first block, then first feature), block, depth, feature, sign (of the
        feature in that of the chain's first: -1 where its positive values go with negative ones of the first), score (of the match with the
        feature before; NaN of the first). Chains ascending, each in forward order.
    """
    parts, n_chains = [], 0
    # Chain and sign of those features of the present block that one led to.
    chain_of = pd.DataFrame({"feature": np.empty(0, np.int32), "chain": np.empty(0, np.int64), "sign": np.empty(0, np.int64)})
    for (first, second), link in zip(pairwise(blocks), links, strict=True):
        kept = above_chance(link).sort_values("feature_a", ignore_index=True)
        found = kept.merge(chain_of, left_on="feature_a", right_on="feature", how="left", suffixes=("", "_before"))
        is_new = found["chain"].isna().to_numpy()
        chain = found["chain"].fillna(-1).to_numpy(np.int64, copy=True)
        chain[is_new] = n_chains + np.arange(is_new.sum())
        n_chains += int(is_new.sum())
        before = found["sign_before"].fillna(1).to_numpy(np.int64)
        parts.append(_part(first, chain[is_new], kept["feature_a"][is_new], np.ones(is_new.sum()), np.nan))
        sign = before * kept["sign"].to_numpy(np.int64)
        parts.append(_part(second, chain, kept["feature_b"], sign, kept["score"]))
        chain_of = pd.DataFrame({"feature": kept["feature_b"], "chain": chain, "sign": sign})
    columns = ["chain", "block", "depth", "feature", "sign", "score"]
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return rows.sort_values(["chain", "depth"], kind="stable", ignore_index=True).astype(_TYPES)[columns]


def _part(block: str, chain: np.ndarray, feature: pd.Series, sign: np.ndarray, score: Any) -> pd.DataFrame:
    return pd.DataFrame({
        "chain": chain, "block": block, "depth": BY_ID[block].depth_index, "feature": feature.to_numpy(), "sign": sign,
        "score": np.asarray(score, np.float64),
    })


def stage_starts(blocks: Sequence[str]) -> list[str]:
    """The first of some blocks in each stage, in forward order."""
    starts = {(BY_ID[block].component, BY_ID[block].stage): block for block in reversed(blocks)}
    return sorted(starts.values(), key=lambda block: BY_ID[block].depth_index)


def reached(blocks: Sequence[str], rows: pd.DataFrame, start: str, is_known: Sequence[bool]) -> list[int | None]:
    """How many features of a block have a chain that goes on to each of the blocks after it; None beyond matches without a chance level.

    Args:
        blocks: ids in forward order.
        rows: `chain_rows`.
        start: one of the blocks.
        is_known: of each two blocks that follow each other, whether there is a chance to compare their matches with.
    """
    at = blocks.index(start)
    through = rows.loc[rows["block"] == start, "chain"]
    counts = rows[rows["chain"].isin(through)].groupby("block").size()
    return [int(counts.get(block, 0)) if all(is_known[at:place]) else None for place, block in enumerate(blocks) if place > at]


def summary(blocks: Sequence[str], records: Sequence[Mapping[str, Any]], rows: pd.DataFrame) -> dict[str, Any]:
    """What the record of chains says.

    Args:
        blocks: ids in forward order.
        records: of the matches of each two that follow each other.
        rows: `chain_rows`.
    """
    names = ("a", "b", "how", "n_features", "n_matched", "n_above_chance", "score_mean", "share_alike", "share_above_chance")
    is_known = [record["chance"] is not None for record in records]
    sizes = rows.groupby("chain").size()
    from_start = {start: reached(blocks, rows, start, is_known) for start in stage_starts(blocks)}
    unknown = [f"{record['a']} and {record['b']}: {record['reason']}" for record in records if record["chance"] is None]
    return {
        "blocks": list(blocks),
        "n_chains": len(sizes),
        "n_whole": from_start[blocks[0]][-1],
        "longest": int(sizes.max()) if len(sizes) else 0,
        "links": [{name: record[name] for name in (*names, "chance", "reason")} for record in records],
        "reached": from_start,
        "reason": "; ".join(unknown),
    }


def depth_table(content: Mapping[str, Any]) -> pd.DataFrame:
    """What is drawn of chains: a row a block.

    Args:
        content: of the record, `summary`.

    Returns:
        block, depth; of the match with the block before (NaN or empty of the first): how, n_matched, score_mean, chance_mean, chance_level,
        share_above_chance; and `from_<block>` for the first block of each stage: share of its features, those that could be matched
        with the block after it, whose chain goes on to this block.
    """
    blocks, links = content["blocks"], content["links"]
    rows: list[dict[str, Any]] = [{"block": block, "depth": BY_ID[block].depth_index, "how": ""} for block in blocks]
    for row, link in zip(rows[1:], links, strict=True):
        chance = link["chance"] or {"mean": None, "level": None}
        row |= {name: link[name] for name in ("how", "n_matched", "score_mean", "share_above_chance")}
        row |= {"chance_mean": chance["mean"], "chance_level": chance["level"]}
    for start, counts in content["reached"].items():
        at = blocks.index(start)
        n = links[at]["n_features"][0] if at < len(links) else 0
        for row, count in zip(rows[at:], [n, *counts] if n else [], strict=False):
            row[f"from_{start}"] = None if count is None else count / n
    columns = ["block", "depth", "how", "n_matched", "score_mean", "chance_mean", "chance_level", "share_above_chance"]
    table = pd.DataFrame(rows).reindex(columns=[*columns, *(f"from_{start}" for start in content["reached"])])
    return table.astype(dict.fromkeys(table.columns.difference(["block", "depth", "how"]), np.float64))
