"""What the index says of the SAEs of stages, from their records; nothing heavy is imported here."""

from pathlib import Path
from typing import Any

from aurorascope.blocks import Stage
from aurorascope.config.model import Config
from aurorascope.errors import UserError
from aurorascope.sae.architectures import index_architecture
from aurorascope.stage_saes.claim import EVALUATION, SAE, check_current, configured_stages, manifests_digests

_TRAINING = (
    "seed", "optimizer", "lr", "loss", "l1_coeff", "reductions", "lambda_sum", "epochs", "n_steps", "n_tokens_seen", "shuffle",
)


def stage_entries(config: Config, results: Path) -> list[dict[str, Any]]:
    """Entries of `stage_saes`, in forward order; empty with `sae.group: block`.

    Raises:
        UserError: a record is missing, or was made of other blocks, another SAE or other activations than those that are there.
    """
    return [_entry(stage, results) for stage in configured_stages(config)]


def _entry(stage: Stage, results: Path) -> dict[str, Any]:
    sae, evaluation = SAE.read(results, stage=stage.id), EVALUATION.read(results, stage=stage.id)
    scratch, names = results / "scratch", [block.id for block in stage.blocks]
    check_current(sae, SAE.where(results, stage=stage.id), stage, scratch)
    where = EVALUATION.where(results, stage=stage.id)
    EVALUATION.check_of(where, evaluation, SAE.name, sae)
    if evaluation["held_out_manifest_sha256"] != manifests_digests(names, scratch, "held_out"):
        raise UserError.stale(where, "an evaluation on the present held-out stores", "on others")
    first, training = stage.blocks[0], sae["training"]
    return {
        "id": stage.id,
        "component": first.component,
        "stage": first.stage,
        **{key: sae[key] for key in ("d_model", "d_hidden", "sha256", "tensor_sha256", "size_bytes", "n_parameters")},
        "expansion_factor": sae["d_hidden"] // sae["d_model"],
        "filename": f"saes/sae_{stage.id}.pt",
        "format": "pt",
        "dtype": "float32",
        "architecture": index_architecture(sae["architecture"], sae["released_as"], training["target_l0"]),
        "training": {
            **{key: training[key] for key in _TRAINING},
            **{key: sae[key] for key in ("recipe", "train_config_sha256")},
        },
        "metrics": evaluation["metrics"],
        "blocks": [
            {
                "id": block.id,
                "depth_index": block.depth_index,
                "hook": block.hook,
                "scale": sae["scales"][block.id],
                "activations_manifest_sha256": sae["activations_manifest_sha256"][block.id],
                "n_home": evaluation["homes"][block.id],
                **{key: value for key, value in measured.items() if key != "block"},
            }
            for block, measured in zip(stage.blocks, evaluation["blocks"], strict=True)
        ],
        "metrics_file": f"evaluation/{stage.id}.parquet",
        "golden_file": f"saes/golden/{stage.id}.safetensors",
    }
