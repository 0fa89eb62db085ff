"""Measure one block's boosted SAE on its held-out activations, beside its first SAE alone, and write what came out."""

import logging
from pathlib import Path

import numpy as np
import torch

from aurorascope.activations.feed import Feed, open_feed
from aurorascope.activations.opening import open_reader
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.boosting.boosted import Boosted
from aurorascope.boosting.labels import TokenMasks
from aurorascope.boosting.opening import open_boosted
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.features.forward import reconstruct
from aurorascope.files import sha256_file, write_json, write_table
from aurorascope.measures.boost.formulas import BOOST_FORMULAS
from aurorascope.measures.boost.record import KIND
from aurorascope.measures.boost.sums import BoostSums
from aurorascope.measures.checks import check_belongs
from aurorascope.measures.held_out.baselines import row_chunks
from aurorascope.records import KINDS

_LOG = logging.getLogger(__name__)


def sum_boosted(boosted: Boosted, feed: Feed, sums: BoostSums, mask_sp: np.ndarray | None) -> None:
    """Add every snapshot of a feed, with which of its tokens are under the label, (n_snapshots, tokens of a latent level) bool."""
    width = max(boosted.first.d_hidden, boosted.second.d_hidden)
    with torch.inference_mode():
        for index, x_nd in enumerate(feed.snapshots(np.arange(feed.n_snapshots))):
            under_n = None if mask_sp is None else np.tile(mask_sp[index], len(x_nd) // mask_sp.shape[1])
            for rows in row_chunks(len(x_nd), width):
                first_nd, of_first = reconstruct(boosted.first, x_nd[rows])
                correction_nd, of_second = reconstruct(boosted.second, x_nd[rows] - first_nd)
                both = first_nd.cpu().numpy(), (first_nd + correction_nd).cpu().numpy()
                under = None if under_n is None else under_n[rows]
                sums.add(x_nd[rows].cpu().numpy(), both, (of_first, of_second), under, rows.start)


def measure(config: Config, block_id: str, results: Path, device: torch.device) -> None:
    """Measure a block's boosted SAE and write its table, then its record.

    Raises:
        UserError: SAEs, stores, labels or their files do not belong together or are altered.
    """
    boosted, sae, boost = open_boosted(results, block_id)
    manifests = {split: StorePaths.of(results / "scratch", block_id, split).manifest for split in ("train", "held_out")}
    # Means of the training store alone.
    train, held_out = StoreReader(manifests["train"]), open_reader(manifests["held_out"], config, device)
    flags = check_belongs(sae, KINDS["sae"].where(results, block=block_id), train, held_out, config.cams.gap_hours)
    used = boost["activations_manifest_sha256"]
    if used != train.manifest["sha256"]:
        path = KINDS["boost"].where(results, block=block_id)
        raise UserError.stale(path, f"a boost trained on the present store {train.manifest['sha256'][:12]}", f"on {used[:12]}")
    masks = None
    if boost["label"] is not None:
        times = [snapshot["time"] for snapshot in held_out.manifest["snapshots"]]
        masks = TokenMasks(results, BY_ID[block_id], boost["label"], "held_out", times)
        if not masks.n_under:
            flags.append(f"no held-out token is under {boost['label']}")
    for flag in flags:
        _LOG.warning("%s: %s.", block_id, flag)
    widths = boosted.first.d_hidden, boosted.second.d_hidden
    sums = BoostSums(held_out.moments()["mean"], train.position_mean(), widths, masks is not None)
    sum_boosted(boosted.to(device), open_feed(held_out, device), sums, None if masks is None else masks.mask_sp)
    out = KIND.where(results, block=block_id)
    parquet = out.with_suffix(".parquet")
    write_table(parquet, sums.table())
    write_json(
        out,
        {
            "kind": KIND.name,
            "format": 1,
            "block": block_id,
            "label": boost["label"],
            "metrics": sums.metrics(),
            "formula_ids": {name: formula_id for name, (formula_id, _) in BOOST_FORMULAS.items()},
            "flags": flags,
            "sae_sha256": sae["sha256"],
            "boost_sha256": boost["sha256"],
            "boost_config_sha256": boost["boost_config_sha256"],
            "train_manifest_sha256": train.manifest["sha256"],
            "held_out_manifest_sha256": held_out.manifest["sha256"],
            "labels_sha256": None if masks is None else masks.sha256,
            "boost_evaluation_config_sha256": stage_digest(config, "evaluate_boost"),
            "table_sha256": sha256_file(parquet),
        },
    )
