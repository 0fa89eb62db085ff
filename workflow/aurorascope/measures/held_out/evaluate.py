"""Evaluate one SAE on its block's held-out activations: refuse what does not belong together, measure, write."""

import functools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aurorascope.activations.feed import Feed, StreamFeed, open_feed
from aurorascope.activations.opening import open_reader
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.features.forward import reconstruct
from aurorascope.features.statistics import UsualSums
from aurorascope.files import read_record, sha256_file, write_json, write_table
from aurorascope.measures.checks import check_belongs
from aurorascope.measures.held_out.baselines import RandomDictionary, baselines, row_chunks, second_moments
from aurorascope.measures.held_out.by_k import ByK
from aurorascope.measures.held_out.claim import STATISTICS
from aurorascope.measures.held_out.decoder import max_cosines
from aurorascope.measures.held_out.formulas import FORMULAS
from aurorascope.measures.held_out.metrics import density_histogram, headline
from aurorascope.measures.held_out.sums import Means, Sums
from aurorascope.measures.held_out.table import table, token_groups
from aurorascope.measures.held_out.usual import token_areas, usual_table
from aurorascope.sae.active import Active
from aurorascope.sae.architectures import ARCHITECTURES, RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.budgets import budgets
from aurorascope.sae.opening import open_sae
from aurorascope.tokens import token_grid

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Training:
    """What is known of the training activations.

    Attributes:
        mean_d: (d,) float64.
        position_mean_nd: (n_tokens, d), mean at each token.
        second_dd: (d, d) float64, sum of the outer products of x - mean_d.
    """

    mean_d: np.ndarray
    position_mean_nd: np.ndarray
    second_dd: np.ndarray

    @classmethod
    def of(cls, reader: StoreReader, device: torch.device) -> "Training":
        """From one pass over the store; the rest was left by whoever filled it."""
        mean_d = reader.moments()["mean"]
        return cls(mean_d, reader.position_mean(), second_moments(StreamFeed(reader, device), mean_d))


def sum_held_out(sae: AuroraSAE, feed: Feed, sums: Sums, usual: UsualSums, keeps_k: bool, by_k: ByK) -> None:
    """Add every snapshot of a feed, its reconstructions and its features to the sums."""
    compute = functools.partial(reconstruct, sae) if keeps_k else sae
    with torch.inference_mode():
        for x_nd in feed.snapshots(np.arange(feed.n_snapshots)):
            for rows in row_chunks(len(x_nd), sae.d_hidden):
                x_hat_nd, features = compute(x_nd[rows])
                h = features if isinstance(features, Active) else features.cpu().numpy()
                sums.add(x_nd[rows].cpu().numpy(), x_hat_nd.cpu().numpy(), h, rows.start)
                usual.add(h, rows.start)
                by_k.add(sae, x_nd[rows], features)


def _random_dictionary(feed: Feed, sums: Sums, l0: float, depth_index: int) -> RandomDictionary:
    dictionary = RandomDictionary(sums.n_latents, round(l0), depth_index, sums.means.train, feed.device)
    with torch.inference_mode():
        for x_nd in feed.snapshots(np.arange(feed.n_snapshots)):
            for rows in row_chunks(len(x_nd), sums.n_latents):
                dictionary.add(x_nd[rows])
    return dictionary


def measure(
    sae: AuroraSAE, training: Training, held_out: StoreReader, groups: np.ndarray, weights: np.ndarray, usual: UsualSums,
    keeps_k: bool = False, by_k: ByK | None = None,
) -> tuple[dict[str, Any], dict[str, Any], Sums]:
    """All metrics of one SAE; reads the held-out store twice, from memory where it fits.

    Args:
        sae: the SAE, on the device that is to compute.
        training: what is known of its training activations.
        held_out: held-out activations.
        groups: group of each token, (n_tokens,).
        weights: area weight of each token, (n_tokens,).
        usual: to which the features are added.
        keeps_k: whether its architecture keeps latents by their number, and reconstructions are summed over these.
        by_k: to which the errors with fewer features are added.

    Returns:
        Metrics in the order of `FORMULAS`; the baselines; the sums.
    """
    device, depth_index = sae.b_dec.device, BY_ID[held_out.manifest["block"]].depth_index
    b_dec = sae.b_dec.detach().cpu().double().numpy()
    means = Means(held_out.moments()["mean"], training.mean_d, training.position_mean_nd, b_dec)
    sums, feed = Sums(groups, weights, means, sae.d_hidden), open_feed(held_out, device)
    sum_held_out(sae, feed, sums, usual, keeps_k, by_k or ByK(()))
    found = headline(sums)
    dictionary = _random_dictionary(feed, sums, found["l0"], depth_index)
    beside = baselines(sums, found["l0"], training.second_dd, dictionary)
    alive_h, signed = torch.from_numpy(sums.totals["fired_h"] > 0), RELEASED[sae.architecture].signed
    found["max_cosine"], found["max_cosine_all"] = max_cosines(sae.W_dec.detach(), alive_h, signed)
    found["fve_climatology"], found["fve_random"] = beside["climatology"]["fve"], beside["random"]["fve"]
    found["fve_pca"], found["fve_anom_pca"] = beside["pca"]["fve"], beside["pca"]["fve_anom"]
    return {name: found[name] for name in FORMULAS}, beside, sums


def evaluate(
    config: Config, record_path: Path, train_manifest: Path, held_out_manifest: Path, states: Path, out: Path,
    device: torch.device,
) -> None:
    """Measure one SAE and write `<block>.parquet`, what its features usually are, then the record `out`.

    Raises:
        UserError: the SAE, the stores or their files do not belong together or are altered.
    """
    sae, record = open_sae(record_path)
    train, held_out = (open_reader(path, config, device) for path in (train_manifest, held_out_manifest))
    flags = check_belongs(record, record_path, train, held_out, config.cams.gap_hours)
    for flag in flags:
        _LOG.warning("%s: %s.", record["block"], flag)
    split, bands = read_record(states, "states"), config.evaluation.lat_bands
    grid = token_grid(BY_ID[record["block"]], split["latitude"], split["longitude"])
    training = Training.of(train, device)
    # A reader that computes its snapshots again holds an Aurora; one is enough.
    del train
    groups, architecture = token_groups(grid, bands), ARCHITECTURES[record["architecture"]]
    by_k = ByK(budgets(int(sae.k)) if architecture.many_k else ())
    signed = RELEASED[sae.architecture].signed
    area_n = token_areas(grid, split["latitude"], len(split["longitude"]))
    usual = UsualSums(area_n, sae.d_hidden, held_out.n_snapshots, signed)
    metrics, beside, sums = measure(
        sae.to(device), training, held_out, groups, grid.area.reshape(-1), usual, architecture.keeps_k, by_k
    )
    parquet, statistics = out.with_suffix(".parquet"), out.parents[1] / STATISTICS.format(block=record["block"])
    write_table(parquet, table(metrics, sums, bands))
    write_table(statistics, usual_table(usual, signed))
    write_json(
        out,
        {
            "kind": "evaluation",
            "format": 2,
            "block": record["block"],
            "metrics": metrics,
            "formula_ids": {name: FORMULAS[name][0] for name in metrics},
            "baselines": beside,
            **({"by_k": by_k.rows(sums)} if architecture.many_k else {}),
            "density_histogram": density_histogram(sums.totals["fired_h"], metrics["n_eval_tokens"]),
            "sums": sums.scalars,
            "d_model": record["d_model"],
            "n_snapshots": held_out.n_snapshots,
            "flags": flags,
            "token_grid": held_out.manifest["token_grid"],
            "sae_sha256": record["sha256"],
            "held_out_manifest_sha256": held_out.manifest["sha256"],
            "evaluate_config_sha256": stage_digest(config, "evaluate_sae"),
            "table_sha256": sha256_file(parquet),
            "statistics_sha256": sha256_file(statistics),
        },
    )
