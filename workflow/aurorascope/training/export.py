"""The files that one trained SAE becomes: weights, golden vectors, SAELens folder, log, and last its record."""

import io
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from aurorascope.activations.manifest import states_digest
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import Block
from aurorascope.config.model import Config, Sae
from aurorascope.config.stages import stage_digest, stage_params
from aurorascope.files import sha256_file, write_bytes, write_json, write_table
from aurorascope.sae.architectures import ARCHITECTURES
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.digest import tensor_digest
from aurorascope.sae.saelens import saelens_files
from aurorascope.training.sae_files import SaeFiles
from aurorascope.training.trainer import Trained

# Stages whose settings the record holds.
MADE_BY = ("dump_activations", "train_sae")
_N_GOLDEN = 8
REDUCTIONS = "MSE: mean over tokens and channels; L1: sum over latents, mean over tokens"


def golden_rows(n_tokens: int) -> torch.Tensor:
    """Places of the golden vectors among a snapshot's tokens, evenly spread."""
    return torch.linspace(0, n_tokens - 1, _N_GOLDEN).round().long()


def golden_vectors(sae: AuroraSAE, reader: StoreReader) -> dict[str, torch.Tensor]:
    """Eight rows, evenly spread over the first training snapshot, with features and reconstruction."""
    x_nd = torch.from_numpy(reader.read([0])[0])
    x = x_nd[golden_rows(len(x_nd))].contiguous()
    with torch.inference_mode():
        x_hat, h = sae(x)
    return {"x": x, "features": h.contiguous(), "x_hat": x_hat.contiguous()}


def write_weights(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write a `.pt` file whose bytes depend on the tensors alone.

    Raises:
        UserError: the disk is full or read-only.
    """
    # Through memory: torch.save puts a file's own name into its bytes.
    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    write_bytes(path, buffer.getbuffer())


def _write_saelens(
    files: SaeFiles, tensors: dict[str, torch.Tensor], block: Block, digest: str, trained_as: str
) -> None:
    metadata = {"hook_name": block.hook, "block": block.id, "tensor_sha256": digest}
    if trained_as != AuroraSAE.from_tensors(tensors).architecture:
        metadata["training_architecture"] = trained_as
    config, weights = saelens_files(tensors, metadata)
    write_bytes(files.saelens_weights, save(weights))
    write_json(files.saelens_config, config)


def describe_training(config: Sae, trained: Trained, d_model: int) -> dict[str, Any]:
    """How it was trained; `lambda_sum` is the final weight where both terms are sums over a token's entries, `mutual_mmcs` the mean
    largest cosine with directions of the SAE beside it, where there was one.
    """
    architecture = ARCHITECTURES[config.architecture]
    # A fixed weight as it was written, not as float32 holds it.
    final = config.l1_coeff if config.target_l0 is None else float(trained.log["sparsity_weight"].iloc[-1])
    # In units of (x - mean) / scale an L1 of the features is 1 / scale of that in raw units, and a squared error 1 / scale^2.
    is_l1 = architecture.is_l1 and config.p_end == 1
    lambda_sum = final * d_model * trained.scale if is_l1 else None
    added = [f" + AuxK / {1 / config.aux_weight:g}"] if config.revive == "auxk" else []
    beside = {}
    if trained.mutual_mmcs is not None:
        added.append(f" + {config.mutual_weight:g} (1 - MMCS with an SAE beside it)")
        beside = {"mutual_mmcs": trained.mutual_mmcs}
    return {
        "seed": config.seed,
        "optimizer": "Adam",
        "lr": config.lr,
        "loss": architecture.loss + "".join(added),
        "l1_coeff": config.l1_coeff,
        "reductions": REDUCTIONS,
        "lambda_sum": lambda_sum,
        "target_l0": config.target_l0,
        "scale": trained.scale,
        "epochs": config.epochs,
        "shuffle": config.shuffle,
        "n_steps": trained.n_steps,
        "n_tokens_seen": trained.n_tokens_seen,
        **beside,
    }


def what_it_ended_with(trained: Trained) -> dict[str, Any]:
    """Entries of a record: `importance` of each latent where the architecture says, and the log's last row."""
    importance = {} if trained.importance_h is None else {"importance": [float(f"{value:.6g}") for value in trained.importance_h]}
    return {**importance, "last_epoch": {name: float(trained.log.iloc[-1][name]) for name in ("mse", "l0", "frac_dead")}}


def export(
    config: Config, block: Block, trained: Trained, reader: StoreReader, results: Path
) -> dict[str, Any]:
    """Write every file of one SAE, its record last.

    Returns:
        The record: content only, no version, device, path or time.
    """
    files = SaeFiles(results, block.id)
    sae = AuroraSAE.from_tensors(trained.weights, str(files.weights))
    digest = tensor_digest(trained.weights)
    write_weights(files.weights, trained.weights)
    write_bytes(files.golden, save(golden_vectors(sae, reader)))
    _write_saelens(files, trained.weights, block, digest, config.sae.architecture)
    write_table(files.log, trained.log)
    manifest = reader.manifest
    record = {
        "kind": "sae",
        "format": 2,
        "block": block.id,
        "d_model": sae.d_model,
        "d_hidden": sae.d_hidden,
        "architecture": config.sae.architecture,
        "released_as": sae.architecture,
        "recipe": config.sae.recipe,
        "sha256": sha256_file(files.weights),
        "size_bytes": files.weights.stat().st_size,
        "tensor_sha256": digest,
        "n_parameters": sum(t.numel() for t in trained.weights.values() if t.is_floating_point()),
        "files": {
            str(path.relative_to(results)): sha256_file(path)
            for path in (files.golden, files.log, files.saelens_config, files.saelens_weights)
        },
        "saelens_bytes": files.saelens_weights.stat().st_size,
        "training": describe_training(config.sae, trained, sae.d_model),
        # What no digest of the data covers; all of it makes the SAE anew when it changes, so none of it can be stale.
        "config": {stage: stage_params(config, stage) for stage in MADE_BY},
        "train_config_sha256": stage_digest(config, "train_sae"),
        "activations_manifest_sha256": manifest["sha256"],
        "states_sha256": states_digest(manifest),
        "static_sha256": manifest["static_sha256"],
        "checkpoint_sha256": manifest["checkpoint_sha256"],
        "dump_config_sha256": manifest["config_sha256"],
        **what_it_ended_with(trained),
    }
    write_json(files.record, record)
    return record
