"""The files that one trained SAE becomes: weights, golden vectors, SAELens folder, log, and last its record."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from safetensors.torch import save

from aurorascope.activations.feed import ResidentFeed, StreamFeed
from aurorascope.blocks import Block
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.files import sha256_bytes, sha256_file, write_bytes, write_json
from aurorascope.sae import relu
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.training.engine import Trained

_N_GOLDEN = 8
_SAELENS_VERSION = "6.54.12"


class SaeFiles:
    """Where the files of one block's SAE lie under the results folder.

    Args:
        results: the results folder.
        block_id: the block.
    """

    def __init__(self, results: Path, block_id: str) -> None:
        self.weights = results / "saes" / f"sae_{block_id}.pt"
        self.record = results / "saes" / f"sae_{block_id}.json"
        self.golden = results / "saes" / "golden" / f"{block_id}.safetensors"
        self.saelens = results / "saelens" / block_id
        self.log = results / "training" / f"{block_id}.parquet"
        self.provenance = results / "training" / f"{block_id}.provenance.json"


def tensor_digest(tensors: dict[str, torch.Tensor]) -> str:
    """sha256 over names, dtypes, shapes and bytes of tensors, independent of the file that holds them."""
    parts = []
    for name in sorted(tensors):
        array = tensors[name].numpy()
        head = json.dumps([name, str(array.dtype), list(array.shape)])
        parts.append(head.encode() + np.ascontiguousarray(array).tobytes())
    return sha256_bytes(b"".join(parts))


def golden_vectors(sae: AuroraSAE, feed: ResidentFeed | StreamFeed) -> dict[str, torch.Tensor]:
    """Eight rows, evenly spread over the first training snapshot, with features and reconstruction."""
    x_nd = next(feed.snapshots(np.array([0]))).cpu()
    rows = torch.linspace(0, len(x_nd) - 1, _N_GOLDEN).round().long()
    x = x_nd[rows].contiguous()
    with torch.inference_mode():
        x_hat, h = sae(x)
    return {"x": x, "features": h.contiguous(), "x_hat": x_hat.contiguous()}


def _write_saelens(folder: Path, tensors: dict[str, torch.Tensor], block: Block, digest: str) -> None:
    d_in, d_sae = tensors["W_enc"].shape
    config = {
        "architecture": "standard",
        "d_in": d_in,
        "d_sae": d_sae,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": _SAELENS_VERSION,
            "model_name": "microsoft/aurora",
            "hook_name": block.hook,
            "block": block.id,
            "tensor_sha256": digest,
        },
    }
    write_bytes(folder / "sae_weights.safetensors", save(tensors))
    write_json(folder / "cfg.json", config)


def _write_log(path: Path, log: pd.DataFrame) -> None:
    buffer = io.BytesIO()
    log.to_parquet(buffer, index=False)
    write_bytes(path, buffer.getbuffer())


def export(
    config: Config, block: Block, trained: Trained, feed: ResidentFeed | StreamFeed, results: Path
) -> dict[str, Any]:
    """Write every file of one SAE, its record last.

    Returns:
        The record: content only, no version, device, path or time.
    """
    files = SaeFiles(results, block.id)
    sae = AuroraSAE.from_tensors(trained.weights, str(files.weights))
    digest = tensor_digest(trained.weights)
    # Through memory: torch.save puts a file's own name into its bytes.
    buffer = io.BytesIO()
    torch.save(trained.weights, buffer)
    write_bytes(files.weights, buffer.getbuffer())
    write_bytes(files.golden, save(golden_vectors(sae, feed)))
    _write_saelens(files.saelens, trained.weights, block, digest)
    _write_log(files.log, trained.log)
    manifest = feed.reader.manifest
    record = {
        "kind": "sae",
        "format": 1,
        "block": block.id,
        "d_model": sae.d_model,
        "d_hidden": sae.d_hidden,
        "architecture": config.sae.resolved_architecture,
        "recipe": config.sae.recipe,
        "sha256": sha256_file(files.weights),
        "size_bytes": files.weights.stat().st_size,
        "tensor_sha256": digest,
        "n_parameters": sum(t.numel() for t in trained.weights.values()),
        "files": {
            str(path.relative_to(results)): sha256_file(path)
            for path in (files.golden, files.log, files.saelens / "cfg.json", files.saelens / "sae_weights.safetensors")
        },
        "saelens_bytes": (files.saelens / "sae_weights.safetensors").stat().st_size,
        "training": {
            "seed": config.sae.seed,
            "optimizer": "Adam",
            "lr": config.sae.lr,
            "loss": "MSE + l1_coeff * L1",
            "l1_coeff": config.sae.l1_coeff,
            "reductions": relu.REDUCTIONS,
            "lambda_sum": config.sae.l1_coeff * sae.d_model,
            "epochs": config.sae.epochs,
            "shuffle": config.sae.shuffle,
            "n_steps": trained.n_steps,
            "n_tokens_seen": trained.n_tokens_seen,
        },
        "train_config_sha256": stage_digest(config, "train_sae"),
        "activations_manifest_sha256": manifest["sha256"],
        "checkpoint_sha256": manifest["checkpoint_sha256"],
        "dump_config_sha256": manifest["config_sha256"],
        "last_epoch": {name: float(trained.log.iloc[-1][name]) for name in ("mse", "l0", "frac_dead")},
    }
    write_json(files.record, record)
    return record
