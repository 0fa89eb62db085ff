"""Train a block's SAE with other seeds, compare what they found with what is released, and write how alike they are."""

import itertools
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from aurorascope.activations.feed import open_feed
from aurorascope.activations.opening import open_reader
from aurorascope.blocks import BY_ID, Block
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, write_json, write_table
from aurorascope.measures.checks import check_belongs
from aurorascope.measures.held_out.baselines import second_moments
from aurorascope.measures.stability.compare import Likeness, compare, random_rows, unit_rows
from aurorascope.measures.stability.formulas import CHANCES, MOST_MATCHED, STABILITY_FORMULAS
from aurorascope.measures.stability.seeds import alive, seeds_of, trained
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.digest import tensor_digest
from aurorascope.sae.opening import open_sae
from aurorascope.streams import Stream, generator

_LOG = logging.getLogger(__name__)
KIND = "stability"


def _mean(values: list[float | None]) -> float | None:
    return None if None in values else float(np.mean(values))


def metrics(pairs: list[Likeness], by_chance: dict[str, Likeness], n_alive: list[int]) -> dict[str, Any]:
    """The metrics of `STABILITY_FORMULAS`, in its order; `pairs` are every two seeds, `by_chance` two dictionaries of each chance."""
    found: dict[str, Any] = {"n_stability_seeds": len(n_alive), "n_stability_features": float(np.mean(n_alive))}
    for suffix, of in {"": pairs, **{f"_{name}": [pair] for name, pair in by_chance.items()}}.items():
        found[f"pw_mcc{suffix}"] = _mean([pair.mcc for pair in of])
        found[f"share_matched{suffix}"] = _mean([pair.share for pair in of])
        found[f"mmcs{suffix}"] = _mean([pair.mmcs for pair in of])
    return {name: found[name] for name in STABILITY_FORMULAS}


def _check_config(record: dict[str, Any], where: Path, config: Config) -> None:
    expected, found = stage_digest(config, "train_sae"), record["train_config_sha256"]
    if found != expected:
        words = f"an SAE of the present configuration {expected[:12]}, since other seeds are trained with it"
        raise UserError.stale(where, words, f"one of {found[:12]}")


def _matches(seeds: list[tuple[int, int]], rows: list[list[np.ndarray]], pairs: list[Likeness]) -> pd.DataFrame:
    """One row a matched pair of features; `rows` are the features' indices of each pair's two sides."""
    parts = [
        pd.DataFrame(
            {
                "seed_a": np.int64(a), "seed_b": np.int64(b), "feature_a": of_a[pair.matched[:, 0]],
                "feature_b": of_b[pair.matched[:, 1]], "cosine": pair.cosines,
            }
        )
        for (a, b), (of_a, of_b), pair in zip(seeds, rows, pairs, strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def measure(
    config: Config, record_path: Path, train_manifest: Path, held_out_manifest: Path, out: Path, device: torch.device,
    scratch: Path,
) -> None:
    """Measure the stability of one block and write `matches.parquet` beside `out`, then the record `out`.

    Checkpoints go under `scratch` meanwhile; the held-out activations say which features are alive.

    Raises:
        UserError: the SAE, the stores or the configuration do not belong together, or a training fails.
        SystemExit: status 143, after a checkpoint, when SIGTERM or Ctrl-C asked to stop.
    """
    released, record = open_sae(record_path)
    _check_config(record, record_path, config)
    train, held_out = (open_reader(path, config, device) for path in (train_manifest, held_out_manifest))
    flags = check_belongs(record, record_path, train, held_out, config.cams.gap_hours)
    block = BY_ID[record["block"]]
    # Read once for all seeds where it fits in memory.
    feed = open_feed(train, device, config.sae.shuffle == "rows")
    second_dd = second_moments(feed, train.moments()["mean"])
    with trained(config, block, feed, scratch) as others:
        saes = [released, *map(AuroraSAE.from_tensors, others)]
        alive_h = alive([sae.to(device) for sae in saes], open_feed(held_out, device))
        content, table = _compared(block, seeds_of(config), saes, alive_h, second_dd)
        parquet = out.with_name("matches.parquet")
        write_table(parquet, table)
        write_json(
            out,
            {
                "kind": KIND,
                "format": 1,
                "block": block.id,
                **content,
                "formula_ids": {name: formula_id for name, (formula_id, _) in STABILITY_FORMULAS.items()},
                "tensor_sha256": [record["tensor_sha256"], *map(tensor_digest, others)],
                "flags": flags,
                "sae_sha256": record["sha256"],
                "train_manifest_sha256": train.manifest["sha256"],
                "held_out_manifest_sha256": held_out.manifest["sha256"],
                "train_config_sha256": record["train_config_sha256"],
                "stability_config_sha256": stage_digest(config, "measure_stability"),
                "table_sha256": sha256_file(parquet),
            },
        )


def _compared(
    block: Block, seeds: list[int], saes: list[AuroraSAE], alive_h: list[np.ndarray], second_dd: np.ndarray
) -> tuple[dict[str, Any], pd.DataFrame]:
    """What the record says of the comparison, and the table of matches."""
    signed = RELEASED[saes[0].architecture].signed
    indices = [np.flatnonzero(of) for of in alive_h]
    rows = [unit_rows(sae.W_dec.detach().cpu().numpy()[of]) for sae, of in zip(saes, indices, strict=True)]
    n_alive, rng = [len(of) for of in indices], generator(Stream.RANDOM_DICTIONARIES, block.depth_index)
    if max(n_alive) > MOST_MATCHED:
        _LOG.warning("%s: %d features are alive, more than the %d that can be matched.", block.id, max(n_alive), MOST_MATCHED)
    places = list(itertools.combinations(range(len(seeds)), 2))
    pairs = [compare(rows[a], rows[b], signed) for a, b in places]
    covariances = {"random": np.eye(len(second_dd)), "random_pca": second_dd}
    by_chance = {
        name: compare(*(random_rows(n, covariances[name], rng) for n in n_alive[:2]), signed) for name in CHANCES
    }
    of_pairs = [(seeds[a], seeds[b]) for a, b in places]
    return {
        "seeds": seeds,
        "n_alive": n_alive,
        "metrics": metrics(pairs, by_chance, n_alive),
        "pairs": [
            {"seeds": list(of), "n_matched": len(pair.cosines), "mcc": pair.mcc, "share_matched": pair.share, "mmcs": pair.mmcs}
            for of, pair in zip(of_pairs, pairs, strict=True)
        ],
    }, _matches(of_pairs, [[indices[a], indices[b]] for a, b in places], pairs)
