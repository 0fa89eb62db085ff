"""Match the features of one pair, and write the table of matches, then the record."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from aurorascope.activations.feed import StreamFeed
from aurorascope.activations.opening import open_reader
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import read_record, sha256_file, write_json, write_table
from aurorascope.matching.codes import Codes, match_codes
from aurorascope.matching.dictionaries import Dictionary, of_suite, open_pair
from aurorascope.matching.directions import match_directions
from aurorascope.matching.matched import Matched
from aurorascope.matching.pair import COSINE, Pair
from aurorascope.matching.pooling import Pool
from aurorascope.matching.swaps import swap_dates
from aurorascope.measures.held_out.usual import token_areas
from aurorascope.progress import Progress
from aurorascope.records import KINDS
from aurorascope.tokens import token_grid

if TYPE_CHECKING:
    from aurorascope.activations.live import Forwards

_LOG = logging.getLogger(__name__)
KIND = KINDS["match"]


def make_match(config: Config, pair: Pair, results: Path, device: torch.device) -> None:
    """Write `matches/<a>__<b>.parquet`, then its record, under results.

    Args:
        config: the configuration.
        pair: which two, as `pair.named_pair` gives them.
        results: the results folder: SAEs, their evaluations, and of blocks of two stages stores and states of the held-out dates.
        device: where features are computed, of blocks of two stages.

    Raises:
        UserError: a file is missing or damaged, or they do not belong together.
    """
    a, b, signed = open_pair(pair, results)
    matched, made_from = _by_directions(pair, a, b, signed) if pair.how == COSINE else _by_codes(config, a, b, signed, results, device)
    if matched.reason:
        _LOG.warning("%s and %s: no share above chance: %s.", pair.a, pair.second, matched.reason)
    record = KIND.where(results, a=pair.a, b=pair.second)
    parquet = record.with_suffix(".parquet")
    write_table(parquet, matched.table())
    write_json(
        record,
        {
            "kind": KIND.name,
            "format": 1,
            "a": pair.a,
            "b": pair.b,
            "suite": pair.suite,
            "how": pair.how,
            "signed": signed,
            **matched.content(),
            "sae_sha256": [each.record["sha256"] for each in (a, b)],
            "checkpoint_sha256": a.record["checkpoint_sha256"],
            **made_from,
            "config_sha256": stage_digest(config, "match_features"),
            "table_sha256": sha256_file(parquet),
        },
    )


def _by_directions(pair: Pair, a: Dictionary, b: Dictionary, signed: bool) -> tuple[Matched, dict[str, Any]]:
    alive_a, digest_a = a.alive()
    with of_suite(pair):
        alive_b, digest_b = b.alive()
    places = a.block.depth_index, b.block.depth_index
    return match_directions(a.W_hd, b.W_hd, alive_a, alive_b, signed, places), {"statistics_sha256": [digest_a, digest_b]}


def _by_codes(
    config: Config, a: Dictionary, b: Dictionary, signed: bool, results: Path, device: torch.device
) -> tuple[Matched, dict[str, Any]]:
    split = read_record(KINDS["states"].where(results, split="held_out"), "states")
    readers, forwards = _readers(config, [a, b], results, device)
    times = [[snapshot["time"] for snapshot in reader.manifest["snapshots"]] for reader in readers]
    if times[0] != times[1]:
        where, found = readers[1].paths.manifest, f"{len(times[1])} of other times"
        raise UserError(where, f"the {len(times[0])} snapshots of {a.block.id}", found, readers[1].paths.rebuild_command())
    pools = []
    for each in (a, b):
        grid = token_grid(each.block, split["latitude"], split["longitude"])
        pools.append(Pool.of(each.block, grid.shape, token_areas(grid, split["latitude"], len(split["longitude"]))))
    swaps = swap_dates(times[0])
    codes = _codes([a, b], readers, pools, np.array(swaps.order), device)
    # Rows of both are the same places; their areas are those of the same cells.
    matched = match_codes(codes, swaps, pools[0].area_p, (a.sae.d_hidden, b.sae.d_hidden), signed)
    if forwards is not None:
        _LOG.info("Comparing features took %d forwards of Aurora.", forwards.n)
    return matched, {"held_out_manifest_sha256": [reader.manifest["sha256"] for reader in readers]}


def _readers(
    config: Config, both: list[Dictionary], results: Path, device: torch.device
) -> tuple[list[StoreReader], "Forwards | None"]:
    """The held-out activations of both blocks, in this run; and, where neither has chunks, the forwards of Aurora that they share.

    Raises:
        UserError: some are of another Aurora than the SAE.
    """
    manifests = [StorePaths.of(results / "scratch", each.block.id, "held_out").manifest for each in both]
    readers = [open_reader(manifest, config, device) for manifest in manifests]
    for each, reader in zip(both, readers, strict=True):
        found, expected = reader.manifest["checkpoint_sha256"], each.record["checkpoint_sha256"]
        if found != expected:
            where, fix = reader.paths.manifest, reader.paths.rebuild_command()
            raise UserError(where, f"activations of the checkpoint {expected[:12]}", found[:12], fix)
    if not all(reader.paths.absent.is_file() for reader in readers):
        return readers, None
    # Imported only where Aurora must run: it costs 6 s and 1 GB.
    from aurorascope.activations.live import Forwards, LiveReader

    forwards = Forwards(config, results / "scratch", [each.block for each in both], device)
    return [LiveReader(manifest, config, device, forwards) for manifest in manifests], forwards


def _codes(
    both: list[Dictionary], readers: list[StoreReader], pools: list[Pool], order: np.ndarray, device: torch.device
) -> Iterator[Codes]:
    saes = [each.sae.to(device) for each in both]
    feeds = [StreamFeed(reader, device).snapshots(order) for reader in readers]
    progress = Progress("Comparing features", len(order), "snapshot")
    for x_a, x_b in zip(*feeds, strict=True):
        with torch.inference_mode():
            codes = tuple(pool.pooled(sae, x_nd) for pool, sae, x_nd in zip(pools, saes, (x_a, x_b), strict=True))
        yield codes
        progress.step()
    progress.close()
