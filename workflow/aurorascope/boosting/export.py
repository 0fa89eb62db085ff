"""The files that a second SAE becomes: weights, golden vectors of both, log, and last its record."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from aurorascope.boosting.labels import TokenMasks
from aurorascope.boosting.reader import ResidualReader
from aurorascope.boosting.settings import boosted_sae
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest, stage_params
from aurorascope.files import sha256_file, sweep, write_bytes, write_json, write_table
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.digest import tensor_digest
from aurorascope.training.export import MADE_BY, describe_training, golden_rows, write_weights
from aurorascope.training.trainer import Trained


class BoostFiles:
    """Where the files of one block's second SAE lie under the results folder.

    Args:
        results: the results folder.
        block_id: the block.
    """

    def __init__(self, results: Path, block_id: str) -> None:
        self.results, self.block_id = results, block_id
        self.weights = results / "boosts" / f"sae_{block_id}.pt"
        self.record = self.weights.with_suffix(".json")
        self.golden = results / "boosts" / "golden" / f"{block_id}.safetensors"
        self.log = results / "boosts" / "training" / f"{block_id}.parquet"
        self.provenance = self.log.with_suffix(".provenance.json")

    def sweep(self) -> None:
        """Delete what kills left of writing any of them; for whoever holds the training's lock.

        Raises:
            UserError: the disk is read-only or broken.
        """
        for path in (self.weights, self.record, self.golden, self.log, self.provenance):
            sweep(path)


def export(
    config: Config, sae: dict[str, Any], trained: Trained, reader: ResidualReader, masks: TokenMasks | None, files: BoostFiles
) -> dict[str, Any]:
    """Write every file of one second SAE, its record last.

    Args:
        config: the configuration.
        sae: record of the first SAE.
        trained: the second one's training.
        reader: what it was trained on.
        masks: its label's, of the training snapshots; None without one.
        files: where.

    Returns:
        The record: content only, no version, device, path or time.
    """
    second = AuroraSAE.from_tensors(trained.weights, str(files.weights))
    write_weights(files.weights, trained.weights)
    write_bytes(files.golden, save(_golden(second, reader)))
    write_table(files.log, trained.log)
    settings, boost = boosted_sae(config), config.sae.boost
    record = {
        "kind": "boost",
        "format": 1,
        "block": files.block_id,
        "of": sae["sha256"],
        "d_model": second.d_model,
        "d_hidden": second.d_hidden,
        "architecture": settings.architecture,
        "released_as": second.architecture,
        "sha256": sha256_file(files.weights),
        "size_bytes": files.weights.stat().st_size,
        "tensor_sha256": tensor_digest(trained.weights),
        "n_parameters": sum(t.numel() for t in trained.weights.values() if t.is_floating_point()),
        "files": {str(path.relative_to(files.results)): sha256_file(path) for path in (files.golden, files.log)},
        "training": describe_training(settings, trained, second.d_model),
        "label": None if masks is None else boost.label,
        "label_weight": None if masks is None else boost.label_weight,
        "n_label_tokens": None if masks is None else masks.n_under,
        "labels_sha256": None if masks is None else masks.sha256,
        "config": {stage: stage_params(config, stage) for stage in (*MADE_BY, "boost_sae")},
        "boost_config_sha256": stage_digest(config, "boost_sae"),
        "activations_manifest_sha256": reader.source.manifest["sha256"],
        "checkpoint_sha256": reader.source.manifest["checkpoint_sha256"],
        "last_epoch": {name: float(trained.log.iloc[-1][name]) for name in ("mse", "l0", "frac_dead")},
    }
    write_json(files.record, record)
    return record


def _golden(second: AuroraSAE, reader: ResidualReader) -> dict[str, torch.Tensor]:
    """Rows of the first training snapshot, those of the first SAE's golden vectors, as `boosted.GOLDEN` names them."""
    rows = golden_rows(reader.n_tokens)
    x, residual = (torch.from_numpy(of.read([0])[0])[rows].contiguous() for of in (reader.source, reader))
    with torch.inference_mode():
        correction, features = second(residual)
    return {"x": x, "residual": residual, "features": features.contiguous(), "correction": correction.contiguous()}
