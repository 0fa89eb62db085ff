"""Evaluate one SAE on its block's held-out activations: refuse what does not belong together, measure, write."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from aurorascope.activations.feed import StoreReader, open_feed
from aurorascope.activations.opening import open_reader
from aurorascope.blocks import BY_ID, LATENT_LEVELS
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.evaluation.formulas import FORMULAS
from aurorascope.evaluation.metrics import by_group, headline
from aurorascope.evaluation.sums import Baselines, Sums
from aurorascope.files import check_file, read_record, sha256_file, write_bytes, write_json
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.tokens import TokenGrid, token_grid


def _check_belongs(record: dict[str, Any], train: StoreReader, held_out: StoreReader, where: Path) -> None:
    """Refuse an SAE trained on other activations, a held-out split of another model, or shared snapshots."""
    fix = f"rm -f {where} && snakemake {where} --cores 1"
    if record["activations_manifest_sha256"] != train.manifest["sha256"]:
        raise UserError(
            where, f"an SAE of the training store {train.manifest['sha256'][:12]}",
            f"one of {record['activations_manifest_sha256'][:12]}", fix,
        )
    for key in ("block", "checkpoint_sha256", "static_sha256", "config_sha256", "dtype"):
        if held_out.manifest[key] != train.manifest[key]:
            raise UserError(
                held_out.paths.manifest, f"{key} {train.manifest[key]}, as in training", str(held_out.manifest[key]),
                held_out.paths.rebuild_command(),
            )
    states = {name: {s[k] for s in r.manifest["snapshots"] for k in ("time", "previous")}
              for name, r in (("train", train), ("held_out", held_out))}
    shared = sorted(states["train"] & states["held_out"])
    if shared:
        raise UserError(
            held_out.paths.manifest, "no state in common with training", ", ".join(shared[:3]),
            "move cams.held_out away from cams.train",
        )


def _groups(grid: TokenGrid, bands: tuple[float, ...]) -> np.ndarray:
    """Group of each token, latent level x latitude band, (n_tokens,); a token on an edge belongs to the north.

    Tokens outside all bands share one last group, which the table leaves out.
    """
    n_bands = len(bands) - 1
    band_y = np.clip(np.searchsorted(bands, grid.lat, side="right") - 1, 0, n_bands - 1)
    level_band = np.arange(grid.n_levels)[:, None] * n_bands + band_y[None, :]
    is_outside_y = (grid.lat < bands[0]) | (grid.lat > bands[-1])
    level_band[:, is_outside_y] = grid.n_levels * n_bands
    return np.broadcast_to(level_band[:, :, None], grid.shape).reshape(-1)


def _table(metrics: dict[str, Any], groups: list[dict[str, Any]], bands: tuple[float, ...]) -> pd.DataFrame:
    n = metrics["n_eval_tokens"]
    rows = [(name, FORMULAS[name][0], "all", None, None, value, n) for name, value in metrics.items()]
    n_bands = len(bands) - 1
    for row in groups[: len(LATENT_LEVELS) * n_bands]:
        level, band = divmod(row["group"], n_bands)
        label = f"{bands[band]:g}..{bands[band + 1]:g}"
        rows.append(("fve", FORMULAS["fve"][0], "group", LATENT_LEVELS[level], label, row["fve"], row["n"]))
    columns = ["metric", "formula_id", "scope", "level", "lat_band", "value", "n"]
    return pd.DataFrame(rows, columns=columns).astype({"value": "float64", "n": "int64"})


def evaluate(
    config: Config, record_path: Path, train_manifest: Path, held_out_manifest: Path, states: Path, out: Path,
    device: torch.device,
) -> None:
    """Measure one SAE and write `<block>.parquet`, then the record `out`.

    Raises:
        UserError: the SAE, the stores or their files do not belong together or are altered.
    """
    record = read_record(record_path, "sae")
    weights = record_path.with_suffix(".pt")
    check_file(weights, record["sha256"], record_path)
    train, held_out = StoreReader(train_manifest), open_reader(held_out_manifest, config, device)
    _check_belongs(record, train, held_out, record_path)
    split = read_record(states, "states")
    grid = token_grid(BY_ID[record["block"]], split["latitude"], split["longitude"])
    groups = _groups(grid, config.evaluation.lat_bands)
    baselines = Baselines(held_out.moments()["mean"], train.moments()["mean"], train.position_mean())
    sums = Sums(groups, grid.area.reshape(-1), baselines, record["d_hidden"])
    sae = AuroraSAE.from_file(str(weights)).to(device)
    feed = open_feed(held_out, device)
    with torch.inference_mode():
        for x_nd in feed.snapshots(np.arange(feed.n_snapshots)):
            x_hat, h = sae(x_nd)
            sums.add(x_nd.cpu().numpy(), x_hat.cpu().numpy(), h.cpu().numpy())
    metrics = headline(sums)
    _write(config, record, metrics, sums, held_out, out)


def _write(
    config: Config, record: dict[str, Any], metrics: dict[str, Any], sums: Sums, held_out: StoreReader, out: Path
) -> None:
    buffer = io.BytesIO()
    _table(metrics, by_group(sums), config.evaluation.lat_bands).to_parquet(buffer, index=False)
    table = out.with_suffix(".parquet")
    write_bytes(table, buffer.getbuffer())
    write_json(
        out,
        {
            "kind": "evaluation",
            "format": 1,
            "block": record["block"],
            "metrics": metrics,
            "formula_ids": {name: FORMULAS[name][0] for name in metrics},
            "sums": sums.scalars,
            "token_grid": held_out.manifest["token_grid"],
            "sae_sha256": record["sha256"],
            "held_out_manifest_sha256": held_out.manifest["sha256"],
            "evaluate_config_sha256": stage_digest(config, "evaluate_sae"),
            "table_sha256": sha256_file(table),
        },
    )
