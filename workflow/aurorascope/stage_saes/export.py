"""The files that the SAE of a stage becomes: weights, golden vectors, log, and last its record."""

from pathlib import Path

import torch
from safetensors.torch import save

from aurorascope.activations.manifest import states_digest
from aurorascope.blocks import Stage
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest, stage_params
from aurorascope.files import sha256_file, write_bytes, write_json, write_table
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.digest import tensor_digest
from aurorascope.sae.fold import fold
from aurorascope.stage_saes.reader import StageReader
from aurorascope.training.export import describe_training, golden_vectors, what_it_ended_with, write_weights
from aurorascope.training.sae_files import SaeFiles
from aurorascope.training.trainer import Trained

OF_BLOCKS = ("b_enc", "b_dec", "threshold")
"""Tensors that have a row a block; all others are shared."""


def weights_of(shared: dict[str, torch.Tensor], reader: StageReader) -> dict[str, torch.Tensor]:
    """Release tensors of a stage: W_enc (d, h), W_dec (h, d) and what its architecture has besides, as an SAE of one block has them, but
    b_enc and threshold (B, h) and b_dec (B, d) with a row for each of the B blocks.

    Args:
        shared: release tensors for activations in the reader's units.
        reader: what those units are.
    """
    folded = [fold(shared, torch.from_numpy(mean_d), scale) for mean_d, scale in zip(reader.mean_bd, reader.scale_b, strict=True)]
    return {name: torch.stack([one[name] for one in folded]) if name in OF_BLOCKS else tensor for name, tensor in folded[0].items()}


def export(config: Config, stage: Stage, trained: Trained, reader: StageReader, results: Path) -> None:
    """Write every file of a stage's SAE, its record last: content only, no version, device, path or time."""
    files, manifests = SaeFiles(results, stage.id), [one.manifest for one in reader.readers]
    weights = weights_of(trained.weights, reader)
    saes = [AuroraSAE.from_tensors(weights, str(files.weights), place) for place in range(reader.n_blocks)]
    write_weights(files.weights, weights)
    golden = [golden_vectors(sae, one) for sae, one in zip(saes, reader.readers, strict=True)]
    write_bytes(files.golden, save({name: torch.stack([one[name] for one in golden]) for name in golden[0]}))
    write_table(files.log, trained.log)
    write_json(
        files.record,
        {
            "kind": "stage_sae",
            "format": 1,
            "stage": stage.id,
            "blocks": [block.id for block in stage.blocks],
            "d_model": saes[0].d_model,
            "d_hidden": saes[0].d_hidden,
            "architecture": config.sae.architecture,
            "released_as": saes[0].architecture,
            "recipe": config.sae.recipe,
            "sha256": sha256_file(files.weights),
            "size_bytes": files.weights.stat().st_size,
            "tensor_sha256": tensor_digest(weights),
            "n_parameters": sum(tensor.numel() for tensor in weights.values() if tensor.is_floating_point()),
            "files": {str(path.relative_to(results)): sha256_file(path) for path in (files.golden, files.log)},
            "training": describe_training(config.sae, trained, saes[0].d_model),
            "scales": dict(zip((block.id for block in stage.blocks), reader.scale_b, strict=True)),
            "config": {made: stage_params(config, made) for made in ("dump_activations", "train_stage_sae")},
            "train_config_sha256": stage_digest(config, "train_stage_sae"),
            "activations_manifest_sha256": {manifest["block"]: manifest["sha256"] for manifest in manifests},
            "states_sha256": states_digest(manifests[0]),
            **{key: manifests[0][key] for key in ("static_sha256", "checkpoint_sha256")},
            "dump_config_sha256": manifests[0]["config_sha256"],
            **what_it_ended_with(trained),
        },
    )

