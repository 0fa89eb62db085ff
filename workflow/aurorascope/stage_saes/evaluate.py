"""Measure the SAE of a stage on the held-out activations of each of its blocks, in one pass over all of them."""

import logging
from pathlib import Path

import numpy as np
import torch

from aurorascope.activations.feed import StreamFeed
from aurorascope.activations.manifest import read_manifest
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import Stage
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.features.forward import reconstruct
from aurorascope.files import check_file, read_record, sha256_file, write_json, write_table
from aurorascope.measures.checks import check_belongs
from aurorascope.measures.held_out.baselines import row_chunks
from aurorascope.measures.held_out.by_k import ByK
from aurorascope.measures.held_out.metrics import headline
from aurorascope.measures.held_out.sums import Means, Sums
from aurorascope.sae.active import Active
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.budgets import budgets
from aurorascope.stage_saes.claim import EVALUATION, SAE, check_current
from aurorascope.stage_saes.lives import Lives
from aurorascope.stage_saes.reader import StageReader, open_stage
from aurorascope.tokens import token_grid

_LOG = logging.getLogger(__name__)


class OfBlock:
    """What is summed over the held-out tokens of one block.

    Args:
        sae: the stage's SAE as the block has it.
        sums: to which reconstructions are added.
        architecture: the name of its architecture in training.
    """

    def __init__(self, sae: AuroraSAE, sums: Sums, architecture: str) -> None:
        kind = ARCHITECTURES[architecture]
        self.sae, self.sums = sae, sums
        self.by_k = ByK(budgets(int(sae.k)) if kind.many_k else ())
        self._keeps_k = kind.keeps_k

    def add(self, x_nd: torch.Tensor, place: int, lives: Lives) -> None:
        """Count one snapshot of the block at a place of its stage; inside `torch.inference_mode()`."""
        for rows in row_chunks(len(x_nd), self.sae.d_hidden):
            x_hat_nd, features = reconstruct(self.sae, x_nd[rows]) if self._keeps_k else self.sae(x_nd[rows])
            h = features if isinstance(features, Active) else features.cpu().numpy()
            self.sums.add(x_nd[rows].cpu().numpy(), x_hat_nd.cpu().numpy(), h, rows.start)
            self.by_k.add(self.sae, x_nd[rows], features)
            lives.add(place, features, rows.stop - rows.start)


def evaluate_stage_sae(config: Config, stage: Stage, results: Path, device: torch.device) -> None:
    """Measure, and write `evaluation/<stage>.parquet`, where each feature lives, then the record beside it.

    Raises:
        UserError: the SAE, the stores or their files do not belong together or are altered.
    """
    scratch, where = results / "scratch", SAE.where(results, stage=stage.id)
    record, states = read_record(where, "stage_sae"), read_record(scratch / "states" / "held_out.json", "states")
    check_current(record, where, stage, scratch)
    weights = where.with_suffix(".pt")
    check_file(weights, record["sha256"], where)
    held_out = open_stage(stage.blocks, config, scratch, "held_out", device)
    grid = token_grid(stage, states["latitude"], states["longitude"])
    # Of one group: bands stand in the blocks' own evaluations.
    groups, area_n = np.zeros(grid.n_tokens, np.int64), grid.area.reshape(-1)
    found, flags = [], []
    for place, (block, reader) in enumerate(zip(stage.blocks, held_out, strict=True)):
        train = StoreReader(StorePaths.of(scratch, block.id, "train").manifest)
        of_block = {**record, "block": block.id, "activations_manifest_sha256": record["activations_manifest_sha256"][block.id]}
        flags = check_belongs(of_block, where, train, reader, config.cams.gap_hours)
        sae = AuroraSAE.from_file(str(weights), block=place).to(device)
        b_dec = sae.b_dec.detach().cpu().double().numpy()
        means = Means(reader.moments()["mean"], train.moments()["mean"], train.position_mean(), b_dec)
        found.append(OfBlock(sae, Sums(groups, area_n, means, sae.d_hidden), record["architecture"]))
    for flag in flags:
        _LOG.warning("%s: %s.", stage.id, flag)
    lives = Lives([record["scales"][block.id] for block in stage.blocks], record["d_hidden"], record["d_model"])
    feed = StreamFeed(StageReader(held_out, normalise=False), device)
    with torch.inference_mode():
        for index, x_nd in enumerate(feed.snapshots(np.arange(feed.n_snapshots))):
            found[index % len(found)].add(x_nd, index % len(found), lives)
    _write(config, stage, results, record, found, lives, flags)


def _write(
    config: Config, stage: Stage, results: Path, record: dict, found: list[OfBlock], lives: Lives, flags: list[str]
) -> None:
    names, out = [block.id for block in stage.blocks], EVALUATION.where(results, stage=stage.id)
    table = out.with_suffix(".parquet")
    write_table(table, lives.table(names))
    blocks = [
        {"block": name, "metrics": headline(one.sums), **({"by_k": one.by_k.rows(one.sums)} if one.by_k.kept else {})}
        for name, one in zip(names, found, strict=True)
    ]
    manifests = {name: read_manifest(StorePaths.of(results / "scratch", name, "held_out").manifest)["sha256"] for name in names}
    write_json(
        out,
        {
            "kind": "stage_evaluation",
            "format": 1,
            "stage": stage.id,
            "blocks": blocks,
            "metrics": lives.summary(),
            "homes": dict(zip(names, lives.homes(), strict=True)),
            "flags": flags,
            "sae_sha256": record["sha256"],
            "held_out_manifest_sha256": manifests,
            "evaluate_config_sha256": stage_digest(config, "evaluate_stage_sae"),
            "table_sha256": sha256_file(table),
        },
    )
