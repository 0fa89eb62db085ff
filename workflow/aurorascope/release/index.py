"""`sae_index.json` from the records of SAEs, evaluations and stores: computed, checked against its schema, never typed."""

import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import jsonschema

import aurorascope
from aurorascope import spec
from aurorascope.activations.manifest import read_manifest
from aurorascope.activations.paths import StorePaths
from aurorascope.blocks import BLOCK_IDS, BY_ID
from aurorascope.config.calendar import ENOUGH_HELD_OUT, SPLITS
from aurorascope.config.model import Config
from aurorascope.config.stages import RECIPES, recipe_version
from aurorascope.errors import UserError
from aurorascope.files import sha256_file, sha256_json
from aurorascope.measures.all import MEASURES
from aurorascope.measures.boost.record import BOOST
from aurorascope.measures.held_out.record import HELD_OUT
from aurorascope.measures.measure import refuse_mixture
from aurorascope.records import KINDS
from aurorascope.release.boosts import boost_entries
from aurorascope.release.quality import quality_flags
from aurorascope.release.schema import index_schema
from aurorascope.sae.architectures import index_architecture
from aurorascope.stage_saes.formulas import LIVES
from aurorascope.stage_saes.index import stage_entries

LOCK_PATH = Path(aurorascope.__file__).parents[2] / "requirements.lock"
DATASET = "cams-global-atmospheric-composition-forecasts"


def _check_store(
    manifest: dict[str, Any], split: str, times: list[str], sae: dict[str, Any], evaluation: dict[str, Any]
) -> str:
    """Digest of a store's manifest, once it is the one that the SAE and its evaluation were made from."""
    block, used = manifest["block"], {
        "train": sae["activations_manifest_sha256"], "held_out": evaluation["held_out_manifest_sha256"]
    }[split]
    target = f"results/saes/sae_{block}.json" if split == "train" else f"results/evaluation/{block}.json"
    if manifest["sha256"] != used:
        expected = f"a result of the present {split} store {manifest['sha256'][:12]}"
        raise UserError.stale(target, expected, f"one of {used[:12]}")
    if [snapshot["time"] for snapshot in manifest["snapshots"]] != times:
        raise UserError(
            f"the {split} store of {block}", f"the {len(times)} snapshots of the configured {split} split",
            f"{len(manifest['snapshots'])} others", "run snakemake once more with the present configuration",
        )
    return manifest["sha256"]


def index_entry(
    sae: dict[str, Any], evaluation: dict[str, Any], measured: list[dict[str, Any]], states: dict[str, Any],
    boost: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """What the index says of one SAE, from its record, that of its evaluation, `Measure.entry` of each measure, the record of the
    training split, which has the grid, and what it says of a second SAE (`boosts.boost_entries`).
    """
    block = BY_ID[sae["block"]]
    levels, rows, cols = evaluation["token_grid"]
    n_rows, n_cols = len(states["latitude"]) // spec.PATCH, len(states["longitude"]) // spec.PATCH
    training = sae["training"]
    saelens = f"saelens/{block.id}/sae_weights.safetensors"
    return {
        "id": block.id,
        **{key: getattr(block, key) for key in ("component", "stage", "block", "depth_index", "hook")},
        **{key: sae[key] for key in ("d_model", "d_hidden", "sha256", "tensor_sha256", "size_bytes", "n_parameters")},
        "expansion_factor": sae["d_hidden"] // sae["d_model"],
        "filename": f"saes/sae_{block.id}.pt",
        "format": "pt",
        "dtype": "float32",
        "alternates": [
            {"filename": saelens, "format": "saelens", "sha256": sae["files"][saelens], "size_bytes": sae["saelens_bytes"]}
        ],
        "architecture": index_architecture(sae["architecture"], sae["released_as"], training["target_l0"]),
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
            **{key: sae[key] for key in ("recipe", "train_config_sha256", "activations_manifest_sha256")},
        },
        **{key: name for entry in measured for key, name in entry.items() if key != "metrics"},
        "metrics": {name: value for entry in measured for name, value in entry["metrics"].items()},
        **({"by_k": evaluation["by_k"]} if "by_k" in evaluation else {}),
        **({} if boost is None else {"boost": boost}),
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
    """The index of the configured blocks, from records of SAEs, measures, stores, splits and checkpoint.

    Returns:
        The index, valid against `sae_index.schema.json`.

    Raises:
        UserError: a record is missing, the suite mixes configurations, or this code is not in a clone.
    """
    scratch = results / "scratch"
    saes = [KINDS["sae"].read(results, block=block_id) for block_id in config.block_ids]
    refuse_mixture(saes, ("train_config_sha256", "dump_config_sha256", "checkpoint_sha256"), KINDS["sae"], results)
    measured = {measure: measure.read(results, saes, config) for measure in MEASURES}
    pairs, boosts = list(zip(saes, measured[HELD_OUT], strict=True)), boost_entries(results, saes, measured[BOOST])
    checkpoint, static = KINDS["checkpoint"].read(results), KINDS["static"].read(results)
    splits = {name: KINDS["states"].read(results, split=name) for name in SPLITS}
    times = {name: [s["time"] for s in split["snapshots"]] for name, split in splits.items()}
    manifests = [
        _check_store(read_manifest(StorePaths.of(scratch, sae["block"], split).manifest), split, times[split], sae, evaluation)
        for sae, evaluation in pairs
        for split in SPLITS
    ]
    made = _made_with(results, config.block_ids)
    index = {
        "schema_version": "1.0",
        "suite": {
            "name": "aurorascope",
            "version": aurorascope.__version__,
            "license": "MIT",
            "config_sha256": sha256_json([saes[0]["dump_config_sha256"], saes[0]["train_config_sha256"],
                                          pairs[0][1]["evaluate_config_sha256"]]),
            "code": {"package": "aurorascope", "version": aurorascope.__version__, "commit": made["commit"], "dirty": made["dirty"]},
            "n_saes": len(saes),
            "n_expected": len(BLOCK_IDS),
            "total_parameters": sum(sae["n_parameters"] for sae in saes),
            "citation": None,
            "flags": _flags(config, checkpoint["source"], len(saes), len(times["held_out"]))
            + quality_flags(pairs, len(times["train"])),
        },
        "base_model": {
            "class": spec.CLASS,
            "package": spec.PACKAGE,
            "package_version": importlib.metadata.version(spec.PACKAGE),
            "checkpoint_name": checkpoint["name"],
            "checkpoint_revision": checkpoint["revision"],
            "checkpoint_sha256": checkpoint["sha256"],
            "static_sha256": static["content_sha256"],
            "random_weights_seed": checkpoint["seed"],
            "use_lora": spec.USE_LORA,
            "autocast": config.aurora.autocast,
            "timestep_hours": spec.STEP_HOURS,
            "patch_size": spec.PATCH,
            "latent_levels": len(spec.LATENT_LEVELS),
        },
        "activations": {
            "dataset": DATASET if config.cams.source == "ads" else f"{config.cams.source}, in the layout of {DATASET}",
            "init_hours_utc": list(config.cams.init_hours),
            "rollout_step": 0,
            "storage_dtype": config.activations.dtype,
            "token_order": "C,H,W (latent level outermost, longitude fastest)",
            "latent_level_names": list(spec.LATENT_LEVELS),
            "manifest_sha256": hashlib.sha256("".join(manifests).encode()).hexdigest(),
            "timestamp_timezone": "UTC",
            "train_snapshots": times["train"],
            "held_out_snapshots": times["held_out"],
            "gap_hours": config.cams.gap_hours,
            "missing_dates": list(config.cams.missing_dates),
        },
        "metric_definitions": {
            name: f"{formula}: {text}"
            for measure in MEASURES
            for name, (formula, text) in measure.formulas.items()
        },
        "environment": {
            **{key: made[key] for key in ("python", "torch", "device")},
            "lock_sha256": _lock_digest(),
        },
        "recipe_versions": {stage: recipe_version(stage, config) for stage in RECIPES},
        "saes": [
            index_entry(
                sae, evaluation, [measure.entry(records[i]) for measure, records in measured.items()], splits["train"], boosts[i]
            )
            for i, (sae, evaluation) in enumerate(pairs)
        ],
    }
    if of_stages := stage_entries(config, results):
        index["stage_saes"] = of_stages
        index["metric_definitions"] |= {name: f"{formula}: {text}" for name, (formula, text) in LIVES.items()}
    jsonschema.validate(index, index_schema())
    return index


def _lock_digest() -> str:
    """sha256 of the lock of the clone that this code is part of."""
    if not LOCK_PATH.is_file():
        raise UserError(
            LOCK_PATH, "the lock of a clone, whose digest goes into the index", "no such file, since this code is not in a clone",
            "git clone the code, and run snakemake results/sae_index.json --cores 1 in the clone",
        )
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
