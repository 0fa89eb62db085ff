"""Which config keys change the numbers of which stage: Snakemake's triggers, and the digest in every record.

`params` of a rule are `stage_params(config, stage)`: the keys below with their values, and the stage's recipe version,
which is raised on purpose when code changes numbers (a golden test fails when numbers change without it). Keys in
`NO_NUMBERS` may be read by any verb without a trigger.
"""

import dataclasses
from typing import Any

from aurorascope.config.measured import Atlas
from aurorascope.config.model import Config
from aurorascope.files import sha256_json
from aurorascope.sae.architectures import ARCHITECTURES

RECIPES = {
    "download_day": 1,
    "select_states": 1,
    "make_static": 1,
    "label_reference": 1,
    "label_day": 1,
    "make_checkpoint": 1,
    "dump_activations": 2,
    "train_sae": 3,
    "evaluate_sae": 2,
    "boost_sae": 1,
    "evaluate_boost": 1,
    "train_stage_sae": 1,
    "evaluate_stage_sae": 1,
    "write_features": 1,
    "measure_fidelity": 1,
    "measure_stability": 1,
    "score_features": 3,
    "reproduce_sae": 1,
    "build_index": 1,
    "write_card": 3,
    "write_table": 1,
    "draw_suite": 2,
    "draw_levels": 1,
    "draw_curves": 1,
    "draw_blocks": 1,
    "draw_feature": 2,
    "draw_storyline": 1,
    "draw_atlas": 1,
    "run_study": 1,
    "draw_study": 1,
    "attribute": 1,
    "trace_circuit": 1,
    "draw_circuit": 1,
    "draw_attribution": 1,
    "match_features": 1,
    "chain_features": 1,
}

# Instead, where latents are chosen by their number (`keeps_k`): the other architectures' SAEs stay as they were.
RECIPES_OF_KEPT = {"train_sae": 4, "evaluate_sae": 3}
# Instead, where the stage's source is the demo: what is fetched or copied stays as it was.
RECIPES_OF_DEMO = {"make_checkpoint": 2}

_COMPUTE = ("compute.threads", "compute.portable")
_TRAINING = (
    "sae.recipe", "sae.architecture", "sae.expansion", "sae.target_l0", "sae.target_growth", "sae.l1_coeff", "sae.p_end", "sae.lr",
    "sae.warm_up", "sae.decay", "sae.epochs", "sae.shuffle", "sae.batch_rows", "sae.area_weights", "sae.normalise",
    "sae.init", "sae.project", "sae.revive", "sae.aux_weight", "sae.dead_snapshots", "sae.orthogonality", "sae.mutual_weight",
    "sae.precision", "sae.seed",
    *_COMPUTE,
)

# All of the section but whether a plain run makes it.
_ATLAS = tuple(f"atlas.{field.name}" for field in dataclasses.fields(Atlas) if field.name != "enabled")

KEYS = {
    "download_day": ("cams.source", "cams.levels", "cams.demo_grid", "compute.portable"),
    # Each split's own snapshots are a param of the rule: a new held-out date must not redo the training split.
    "select_states": ("cams.levels",),
    "make_static": ("static.source", "static.sha256", "cams.demo_grid", "aurora.revision", "compute.portable"),
    # Which states the quantiles are over, and which a day has, are params of the rules.
    "label_reference": ("labels.thresholds", "compute.portable"),
    "label_day": ("labels.thresholds", "compute.portable"),
    "make_checkpoint": (
        "aurora.checkpoint_kind", "aurora.revision", "aurora.embed_dim", "aurora.demo", *_COMPUTE,
    ),
    "dump_activations": ("aurora.embed_dim", "aurora.autocast", "activations.dtype", *_COMPUTE),
    "train_sae": _TRAINING,
    "train_stage_sae": _TRAINING,
    "evaluate_stage_sae": _COMPUTE,
    "evaluate_sae": ("evaluation.lat_bands", *_COMPUTE),
    # Masks of its label are an input.
    "boost_sae": (
        *_TRAINING, *(f"sae.boost.{name}" for name in ("target_l0", "expansion", "epochs", "label", "label_weight")),
    ),
    "evaluate_boost": _COMPUTE,
    "write_features": ("features", *_COMPUTE),
    "measure_fidelity": ("evaluation.fidelity.snapshots", "aurora.autocast", *_COMPUTE),
    "measure_stability": ("evaluation.stability.seeds", *_TRAINING),
    "score_features": (*_ATLAS, *_COMPUTE),
    "reproduce_sae": _TRAINING,
    "build_index": (
        "cams.source", "cams.gap_hours", "cams.init_hours", "cams.missing_dates", "aurora.autocast", "activations.dtype",
        "blocks", "evaluation.fidelity.enabled", "evaluation.stability.blocks", "atlas.enabled", "sae.group", "sae.boost.enabled",
    ),
    "write_card": (),
    "write_table": (),
    "draw_suite": (),
    "draw_levels": ("blocks",),
    "draw_curves": ("blocks",),
    "draw_blocks": ("blocks",),
    "draw_feature": _COMPUTE,
    "draw_storyline": ("blocks",),
    "draw_atlas": ("blocks",),
    "draw_study": (),
    "draw_attribution": (),
    # Dates, blocks and all else stand in the study's file.
    "run_study": ("aurora.autocast", *_COMPUTE),
    # As in the outcome's file.
    "attribute": ("aurora.autocast", *_COMPUTE),
    "trace_circuit": ("aurora.autocast", *_COMPUTE),
    "draw_circuit": (),
    "match_features": _COMPUTE,
    "chain_features": ("blocks",),
}

NO_NUMBERS = (
    "cams.directory",
    "cams.keep_zips",
    "cams.ads",
    "static.path",
    "labels.own",
    "aurora.checkpoint",
    "aurora.device",
    "activations.mode",
    "activations.keep",
    "sae.checkpoint_minutes",
    "sae.group",
    "storage",
    "plan",
    "reproduce",
    "replace_results",
    "blocks",
    "cams.train",
    "cams.held_out",
    "cams.init_hours",
    "cams.missing_dates",
    "cams.gap_hours",
)

# Keys that matter for one source only; with another, a change must not rerun anything.
_ONLY_WITH = {
    ("download_day", "cams.demo_grid"): {"demo"},
    ("make_static", "cams.demo_grid"): {"demo"},
    ("make_static", "aurora.revision"): {"official"},
    ("make_static", "static.sha256"): {"file", "official"},
    ("make_checkpoint", "aurora.revision"): {"official"},
    ("make_checkpoint", "aurora.demo"): {"demo"},
    ("make_checkpoint", "compute.threads"): {"demo"},
    # What is only copied has the same bits everywhere, and a year is not downloaded twice.
    ("download_day", "compute.portable"): {"demo"},
    ("make_static", "compute.portable"): {"demo"},
    ("make_checkpoint", "compute.portable"): {"demo"},
}
# Keys that came later, with the value at which what was made before them stays as it is.
AS_BEFORE = {
    "compute.portable": False, "sae.aux_weight": 1 / 32, "sae.mutual_weight": 0.0, "atlas.enabled": False, "sae.group": "block",
    "sae.boost.enabled": False,
}


def _lookup(config: Config, key: str) -> Any:
    value: Any = config
    for part in key.split("."):
        value = getattr(value, part)
    return _plain(value)


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


_SOURCE = {
    "download_day": "cams.source",
    "make_static": "static.source",
    "make_checkpoint": "aurora.checkpoint_kind",
}


def recipe_version(stage: str, config: Config) -> int:
    """A stage's recipe version; only stages that depend on the architecture or on a source read it."""
    if stage in RECIPES_OF_KEPT and ARCHITECTURES[config.sae.architecture].keeps_k:
        return RECIPES_OF_KEPT[stage]
    if stage in RECIPES_OF_DEMO and _lookup(config, _SOURCE[stage]) == "demo":
        return RECIPES_OF_DEMO[stage]
    return RECIPES[stage]


def stage_params(config: Config, stage: str) -> dict[str, Any]:
    """Recipe version and the number-changing keys of a stage, JSON-ready, in a fixed order."""
    source = _lookup(config, _SOURCE[stage]) if stage in _SOURCE else None
    keys = [key for key in KEYS[stage] if source in _ONLY_WITH.get((stage, key), {source})]
    values = {key: _lookup(config, key) for key in keys}
    values = {key: value for key, value in values.items() if key not in AS_BEFORE or value != AS_BEFORE[key]}
    return {"recipe": recipe_version(stage, config), **values}


def stage_digest(config: Config, stage: str) -> str:
    """sha256 over `stage_params`: what a record carries to say which configuration made it."""
    return sha256_json(stage_params(config, stage))
