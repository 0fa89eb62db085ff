"""Make the chains of a run from its matches of blocks that follow each other."""

from itertools import pairwise
from pathlib import Path

import pandas as pd

from aurorascope.config.model import Config
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, sha256_json, write_json, write_table
from aurorascope.matching.chains import chain_rows, depth_table, summary
from aurorascope.matching.read import read_match
from aurorascope.records import KINDS


def make_chains(config: Config, results: Path) -> pd.DataFrame:
    """Write `matches/chains.parquet`, then `matches/chains.json`; returns what is drawn of them, `chains.depth_table`.

    Args:
        config: the configuration, with at least two blocks.
        results: the results folder, with the matches of each two configured blocks that follow each other.

    Raises:
        UserError: one is missing or damaged, or two of them are of two SAEs of one block.
    """
    blocks, records, tables = config.block_ids, [], []
    for a, b in pairwise(blocks):
        path = KINDS["match"].where(results, a=a, b=b)
        record, table = read_match(path)
        if records and record["sae_sha256"][0] != records[-1]["sae_sha256"][1]:
            raise UserError.stale(path, f"the SAE of {a} that {records[-1]['a']} is matched with", "another")
        records.append(record)
        tables.append(table)
    rows = chain_rows(blocks, tables)
    content = summary(blocks, records, rows)
    kind = KINDS["chains"]
    path = kind.where(results)
    parquet = path.with_suffix(".parquet")
    write_table(parquet, rows)
    made_from = {f"{record['a']}__{record['b']}": sha256_json(record) for record in records}
    write_json(path, {"kind": kind.name, "format": 1, **content, "matches_sha256": made_from, "table_sha256": sha256_file(parquet)})
    return depth_table(content)
