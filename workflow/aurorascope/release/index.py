"""`sae_index.json` from the records of SAEs, evaluations and stores: computed, checked against its schema, never typed."""

import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import jsonschema

import aurorascope
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.verify import read_manifest
from aurorascope.blocks import BLOCK_IDS, BY_ID, LATENT_LEVELS, PATCH, Block
from aurorascope.config.calendar import ENOUGH_HELD_OUT
from aurorascope.config.chosen import stability_blocks
from aurorascope.config.model import Config
from aurorascope.config.stages import RECIPES
from aurorascope.errors import UserError
from aurorascope.evaluation.fidelity.formulas import FIDELITY_FORMULAS
from aurorascope.evaluation.formulas import FORMULAS
from aurorascope.evaluation.stability.formulas import STABILITY_FORMULAS
from aurorascope.files import read_record, sha256_file, sha256_json
from aurorascope.release.fidelity import fidelity_entries
from aurorascope.release.quality import quality_flags
from aurorascope.release.schema import index_schema
from aurorascope.release.stability import stability_entries

LOCK_PATH = Path(aurorascope.__file__).parents[2] / "requirements.lock"
_TOP_K = ("topk", "batchtopk", "matryoshka", "abstopk")
DATASET = "cams-global-atmospheric-composition-forecasts"


def _records(results: Path, block_ids: tuple[str, ...]) -> list[tuple[Block, dict[str, Any], dict[str, Any]]]:
    found = []
    for block_id in block_ids:
        sae = read_record(results / "saes" / f"sae_{block_id}.json", "sae")
        evaluation_path = results / "evaluation" / f"{block_id}.json"
        evaluation = read_record(evaluation_path, "evaluation")
        if evaluation["sae_sha256"] != sae["sha256"]:
            raise UserError(
                evaluation_path, f"the evaluation of SAE {sae['sha256'][:12]}", f"one of {evaluation['sae_sha256'][:12]}",
                f"rm {evaluation_path} && snakemake {evaluation_path} --cores 1",
            )
        found.append((BY_ID[block_id], sae, evaluation))
    return found


def _refuse_mixture(records: list[tuple[Block, dict[str, Any], dict[str, Any]]], results: Path) -> None:
    """Refuse a suite made by two configurations, naming the blocks of the smaller part."""
    for key in ("train_config_sha256", "dump_config_sha256", "checkpoint_sha256", "evaluate_config_sha256"):
        values: dict[str, list[str]] = {}
        for block, sae, evaluation in records:
            values.setdefault({**sae, **evaluation}[key], []).append(block.id)
        if len(values) > 1:
            few = min(values.values(), key=len)
            where = "evaluation/" if key.startswith("evaluate") else "saes/sae_"
            files = " ".join(f"{results}/{where}{block_id}.json" for block_id in few[:3])
            raise UserError(
                f"the suite's {key}", "one value in all blocks", f"{len(values)}, with another in {', '.join(few)}",
                f"rm {files} …, then snakemake --cores N makes them again with the present configuration",
            )


def _check_store(
    manifest: dict[str, Any], split: str, times: list[str], sae: dict[str, Any], evaluation: dict[str, Any]
) -> str:
    """Digest of a store's manifest, once it is the one that the SAE and its evaluation were made from."""
    block, used = manifest["block"], {
        "train": sae["activations_manifest_sha256"], "held_out": evaluation["held_out_manifest_sha256"]
    }[split]  # fmt: skip
    target = f"results/saes/sae_{block}.json" if split == "train" else f"results/evaluation/{block}.json"
    if manifest["sha256"] != used:
        raise UserError(
            target, f"a result of the present {split} store {manifest['sha256'][:12]}", f"one of {used[:12]}",
            f"rm {target} && snakemake {target} --cores 1",
        )
    if [snapshot["time"] for snapshot in manifest["snapshots"]] != times:
        raise UserError(
            f"the {split} store of {block}", f"the {len(times)} snapshots of the configured {split} split",
            f"{len(manifest['snapshots'])} others", "run snakemake once more with the present configuration",
        )
    return manifest["sha256"]


def _entry(
    block: Block, sae: dict[str, Any], evaluation: dict[str, Any], fidelity: dict[str, Any], stability: dict[str, Any],
    states: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    levels, rows, cols = evaluation["token_grid"]
    n_rows, n_cols = len(states["latitude"]) // PATCH, len(states["longitude"]) // PATCH
    training = sae["training"]
    saelens = f"saelens/{block.id}/sae_weights.safetensors"
    return {
        "id": block.id,
        "component": block.component,
        "stage": block.stage,
        "block": block.block,
        "depth_index": block.depth_index,
        "hook": block.hook,
        "d_model": sae["d_model"],
        "d_hidden": sae["d_hidden"],
        "expansion_factor": sae["d_hidden"] // sae["d_model"],
        "filename": f"saes/sae_{block.id}.pt",
        "format": "pt",
        "sha256": sae["sha256"],
        "tensor_sha256": sae["tensor_sha256"],
        "size_bytes": sae["size_bytes"],
        "n_parameters": sae["n_parameters"],
        "dtype": "float32",
        "alternates": [
            {"filename": saelens, "format": "saelens", "sha256": sae["files"][saelens], "size_bytes": sae["saelens_bytes"]}
        ],
        "architecture": {
            "activation": sae["architecture"],
            "released_as": sae["released_as"],
            "k": round(training["target_l0"]) if sae["architecture"] in _TOP_K else None,
            "apply_b_dec_to_input": True,
            "normalize_activations": "none",
            "decoder_unit_norm": True,
        },
        "token_grid": {
            "latent_levels": levels,
            "lat": rows,
            "lon": cols,
            "degrees_per_token": 360 / n_cols * (1 << block.merges),
            "padded_rows": int(rows * (1 << block.merges) > n_rows),
        },
        "training": {
            **{key: training[key] for key in ("seed", "optimizer", "lr", "loss", "l1_coeff", "reductions", "lambda_sum",
                                              "epochs", "n_steps", "n_tokens_seen", "shuffle")},
            "recipe": sae["recipe"],
            "train_config_sha256": sae["train_config_sha256"],
            "activations_manifest_sha256": sae["activations_manifest_sha256"],
        },
        "metrics": {**evaluation["metrics"], **fidelity["metrics"], **stability["metrics"]},
        "metrics_file": f"evaluation/{block.id}.parquet",
        "fidelity_file": fidelity["fidelity_file"],
        "stability_file": stability["stability_file"],
        "golden_file": f"saes/golden/{block.id}.safetensors",
        "neuronpedia_id": None,
    }


def _flags(config: Config, checkpoint_source: str, n_saes: int, n_held_out: int) -> list[str]:
    flags = []
    if n_saes < len(BLOCK_IDS):
        flags.append(f"partial suite: {n_saes} of {len(BLOCK_IDS)} SAEs")
    if n_held_out < ENOUGH_HELD_OUT:
        flags.append(f"only {n_held_out} held-out snapshots, fewer than {ENOUGH_HELD_OUT}")
    if config.cams.source == "demo":
        flags.append("demo: an idealised atmosphere, not CAMS; no number here says anything about the real model")
    if checkpoint_source == "demo":
        flags.append("demo: a small Aurora trained here, not the published checkpoint")
    return flags


def build_index(config: Config, results: Path) -> dict[str, Any]:
    """The index of the configured blocks.

    Args:
        config: the configuration.
        results: the results folder, with records of SAEs, evaluations, stores, splits and checkpoint.

    Returns:
        The index, valid against `sae_index.schema.json`.

    Raises:
        UserError: a record is missing, the suite mixes configurations, or this code is not in a clone.
    """
    scratch = results / "scratch"
    records = _records(results, config.block_ids)
    _refuse_mixture(records, results)
    saes = [sae for _, sae, _ in records]
    fidelities = fidelity_entries(results, saes, config.evaluation.fidelity.enabled)
    stabilities = stability_entries(results, saes, stability_blocks(config))
    checkpoint = read_record(scratch / "checkpoint" / "checkpoint.json", "checkpoint")
    static = read_record(scratch / "static" / "static.json", "static")
    splits = {name: read_record(scratch / "states" / f"{name}.json", "states") for name in ("train", "held_out")}
    times = {name: [s["time"] for s in split["snapshots"]] for name, split in splits.items()}
    manifests = [
        _check_store(read_manifest(StorePaths.of(scratch, block.id, split).manifest), split, times[split], sae, evaluation)
        for block, sae, evaluation in records
        for split in ("train", "held_out")
    ]
    made = _made_with(results, config.block_ids)
    index = {
        "schema_version": "1.0",
        "suite": {
            "name": "aurorascope",
            "version": aurorascope.__version__,
            "license": "MIT",
            "config_sha256": sha256_json([records[0][1]["dump_config_sha256"], records[0][1]["train_config_sha256"],
                                          records[0][2]["evaluate_config_sha256"]]),
            "code": {"package": "aurorascope", "version": aurorascope.__version__, "commit": made["commit"], "dirty": made["dirty"]},
            "n_saes": len(records),
            "n_expected": len(BLOCK_IDS),
            "total_parameters": sum(sae["n_parameters"] for _, sae, _ in records),
            "citation": None,
            "flags": _flags(config, checkpoint["source"], len(records), len(times["held_out"]))
            + quality_flags([(sae, evaluation) for _, sae, evaluation in records], len(times["train"])),
        },
        "base_model": {
            "class": "AuroraAirPollution",
            "package": "microsoft-aurora",
            "package_version": importlib.metadata.version("microsoft-aurora"),
            "checkpoint_name": checkpoint["name"],
            "checkpoint_revision": checkpoint["revision"],
            "checkpoint_sha256": checkpoint["sha256"],
            "static_sha256": static["content_sha256"],
            "random_weights_seed": checkpoint["seed"],
            "use_lora": True,
            "autocast": config.aurora.autocast,
            "timestep_hours": 12,
            "patch_size": PATCH,
            "latent_levels": len(LATENT_LEVELS),
        },
        "activations": {
            "dataset": DATASET if config.cams.source == "ads" else f"{config.cams.source}, in the layout of {DATASET}",
            "init_hours_utc": list(config.cams.init_hours),
            "rollout_step": 0,
            "storage_dtype": config.activations.dtype,
            "token_order": "C,H,W (latent level outermost, longitude fastest)",
            "latent_level_names": list(LATENT_LEVELS),
            "manifest_sha256": hashlib.sha256("".join(manifests).encode()).hexdigest(),
            "timestamp_timezone": "UTC",
            "train_snapshots": times["train"],
            "held_out_snapshots": times["held_out"],
            "gap_hours": config.cams.gap_hours,
            "missing_dates": list(config.cams.missing_dates),
        },
        "metric_definitions": {
            name: f"{formula}: {text}"
            for name, (formula, text) in {**FORMULAS, **FIDELITY_FORMULAS, **STABILITY_FORMULAS}.items()
        },
        "environment": {
            **{key: made[key] for key in ("python", "torch", "device")},
            "lock_sha256": _lock_digest(),
        },
        "recipe_versions": dict(RECIPES),
        "saes": [
            _entry(*record, fidelity, stability, splits["train"])
            for record, fidelity, stability in zip(records, fidelities, stabilities, strict=True)
        ],
    }
    jsonschema.validate(index, index_schema())
    return index


def _lock_digest() -> str:
    """sha256 of the lock of the clone that this code is part of."""
    if not LOCK_PATH.is_file():
        raise UserError(
            LOCK_PATH, "the lock of a clone, whose digest goes into the index", "no such file, since this code is not in a clone",
            "git clone the code, and run snakemake results/sae_index.json --cores 1 in the clone",
        )  # fmt: skip
    return sha256_file(LOCK_PATH)


def _made_with(results: Path, block_ids: tuple[str, ...]) -> dict[str, Any]:
    """What the SAEs were trained with, from the undeclared provenance files; differing values are all listed."""
    found: dict[str, set[str]] = {"python": set(), "torch": set(), "device": set(), "commit": set(), "dirty": set()}
    for block_id in block_ids:
        path = results / "training" / f"{block_id}.provenance.json"
        made = json.loads(path.read_text()) if path.is_file() else {}
        values = {**made, "torch": made.get("packages", {}).get("torch")}
        for key, seen in found.items():
            seen.add(values.get(key))
    known = {key: sorted(str(v) for v in seen if v is not None) for key, seen in found.items()}
    return {
        **{key: ", ".join(known[key]) or "unknown" for key in ("python", "torch", "device")},
        "commit": ", ".join(known["commit"]) or None,
        "dirty": any(v == "True" for v in known["dirty"]) if known["dirty"] else None,
    }
