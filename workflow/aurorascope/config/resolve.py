"""From what the user wrote to a complete, checked configuration: one place, when Snakemake parses.

YAML makes dates objects, `--config 'sae={seed: 7}'` arrives as strings, overlays leave keys out. So: bring scalars to
the schema's types, fill defaults, validate, then check what no schema can say (a grid Aurora cannot take, splits that
share a state). Every complaint names the key, what was expected, what was found, and what to write instead.
"""

import contextlib
import datetime
import math
from typing import Any

import jsonschema
import yaml

from aurorascope import spec
from aurorascope.blocks import BLOCK_IDS, similar_ids
from aurorascope.config import calendar
from aurorascope.config.complaints import complaint
from aurorascope.config.demo_dates import DEMO_DATES
from aurorascope.config.model import from_mapping
from aurorascope.config.recipes import filled
from aurorascope.config.schema import deref, schema, types_of
from aurorascope.config.thresholds import DEMO, YEAR
from aurorascope.errors import UserError
from aurorascope.sae.architectures import ARCHITECTURES

LABEL_WEIGHT = 8.0
"""Of `sae.boost`: what tokens under its label weigh where no weight is given."""


def _from_text(text: str, kinds: set[str]) -> Any:
    """Read a string as one of the schema's types, where exactly such a reading exists; else leave it."""
    if "null" in kinds and text.lower() in ("null", "none", "~", ""):
        return None
    if "boolean" in kinds and text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind, read in (("integer", int), ("number", float)):
        if kind in kinds:
            try:
                return read(text)
            except ValueError:
                continue
    if kinds & {"array", "object"} and text[:1] in "[{":
        with contextlib.suppress(yaml.YAMLError):
            return yaml.safe_load(text)
    return text


def _coerce(value: Any, node: dict[str, Any]) -> Any:
    node = deref(node)
    kinds = types_of(node)
    # `none` is null for most keys, but the name of a choice for some.
    if isinstance(value, str) and kinds != {"string"} and value not in node.get("enum", ()):
        value = _from_text(value, kinds)
    if isinstance(value, datetime.datetime):
        value = value.date()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, dict):
        known = node.get("properties", {})
        return {str(key): _coerce(item, known[key]) if key in known else item for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = node.get("items") or next((c["items"] for c in node.get("oneOf", []) if "items" in c), {})
        return [_coerce(item, items) for item in value]
    # JSON has no NaN and no infinity, and a comparison with a bound lets NaN pass: left as text, it is refused.
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    # YAML 1.1 reads 3e-4 as text and 1.0 as a float; an integer key accepts a float without fraction.
    if isinstance(value, float) and kinds - {"null"} == {"integer"} and value.is_integer():
        return int(value)
    # One number, one digest, however it was written.
    if isinstance(value, int) and not isinstance(value, bool) and kinds - {"null"} == {"number"}:
        return float(value)
    return value


def _fill(value: Any, node: dict[str, Any]) -> Any:
    node = deref(node)
    if node.get("type") != "object":
        return node.get("default") if value is None and "null" not in types_of(node) else value
    given = {} if value is None else value
    if not isinstance(given, dict):
        return value
    filled = dict(given)
    for key, child in node["properties"].items():
        child = deref(child)
        if key not in filled or (filled[key] is None and "null" not in types_of(child)):
            filled[key] = child.get("default") if child.get("type") != "object" else None
        filled[key] = _fill(filled[key], child)
    return filled


def _check_blocks(key: str, blocks: Any, word: str) -> None:
    for block in () if blocks == word else blocks:
        if block not in BLOCK_IDS:
            near = similar_ids(block)
            raise UserError(
                f"config key {key}", f"`{word}` or ids of the 48 blocks", block, f"did you mean {', '.join(near)}?"
            )


def _check_grid(key: str, grid: list[int]) -> None:
    rows, cols = grid
    if cols % 3 or rows % 3 == 2:
        raise UserError(
            f"config key {key}",
            "columns divisible by 3 and rows that leave 0 or 1 when divided by 3 (19 x 36, 46 x 90, 451 x 900)",
            f"{rows} x {cols}",
            f"choose the nearest such grid, for example {rows // 3 * 3 + 1} x {max(9, cols // 3 * 3)}",
        )


def _check_combinations(config: dict[str, Any]) -> None:
    cams, static, aurora = config["cams"], config["static"], config["aurora"]
    _check_blocks("blocks", config["blocks"], "all")
    for name, section in config["evaluation"].items():
        if isinstance(section, dict) and "blocks" in section:
            _check_blocks(f"evaluation.{name}.blocks", section["blocks"], "auto")
    _check_grid("cams.demo_grid", cams["demo_grid"])
    _check_grid("aurora.demo.grid", aurora["demo"]["grid"])
    if cams["source"] == "local" and not cams["directory"]:
        raise UserError("config key cams.directory", "a folder, since cams.source is local", "null", "set it")
    if static["source"] == "file" and not static["path"]:
        raise UserError("config key static.path", "a file, since static.source is file", "null", "set it")
    if static["source"] == "demo" and cams["source"] != "demo":
        raise UserError(
            "config key static.source",
            f"official or file, since cams.source is {cams['source']} and the demo's continents fit only the demo",
            "demo",
            "set static.source: file with static.path, or static.source: official",
        )
    if aurora["checkpoint"] == "official" and aurora["embed_dim"] != spec.EMBED_DIM:
        raise UserError(
            "config key aurora.embed_dim", f"{spec.EMBED_DIM}, the width of the official checkpoint", str(aurora["embed_dim"]),
            f"set aurora.embed_dim: {spec.EMBED_DIM}",
        )
    _check_sae(config["sae"], config["activations"]["mode"])
    atlas = config["atlas"]
    for name in ("rotations", "date_shifts"):
        if 1 / (1 + atlas[name]) > atlas["alpha"]:
            raise UserError(
                f"config key atlas.{name}", f"so many that 1 / (1 + {name}) is at most atlas.alpha, {atlas['alpha']:g}", str(atlas[name]),
                f"set atlas.{name}: {math.ceil(1 / atlas['alpha'] - 1 - 1e-9)} or more, or a larger atlas.alpha",
            )
    bands = config["evaluation"]["lat_bands"]
    if bands != sorted(set(bands)):
        raise UserError("config key evaluation.lat_bands", "ascending edges", str(bands), "sort them")


def _check_sae(sae: dict[str, Any], mode: str) -> None:
    """Combinations of the SAE's keys, the recipe's values filled in."""
    if mode == "live" and sae["shuffle"] == "rows":
        raise UserError(
            "config key sae.shuffle", "snapshots, since activations.mode is live and no row is there to be drawn",
            "rows", "set sae.shuffle: snapshots, or activations.mode: dump",
        )
    if sae["batch_rows"] is not None and sae["shuffle"] == "snapshots":
        raise UserError(
            "config key sae.batch_rows", "null, since sae.shuffle is snapshots and a step takes a whole one",
            str(sae["batch_rows"]), "set sae.shuffle: rows, or sae.batch_rows: null",
        )
    architecture = ARCHITECTURES[sae["architecture"]]
    if sae["target_l0"] is None and architecture.needs_target:
        raise UserError(
            "config key sae.target_l0", f"a number, since sae.architecture is {architecture.name}", "null",
            "set it, 32 for example",
        )
    for key, target in (("target_l0", sae["target_l0"]), ("boost.target_l0", sae["boost"]["target_l0"])):
        if architecture.keeps_k and target is not None and (target < 1 or not target.is_integer()):
            raise UserError(
                f"config key sae.{key}", f"a whole number, since {architecture.name} keeps that many latents a token",
                str(target), f"set sae.{key}: {max(1, round(target))}, for example",
            )
    boost = sae["boost"]
    if boost["label"] is None and boost["label_weight"] is not None:
        raise UserError(
            "config key sae.boost.label_weight", "null, since no sae.boost.label says whose tokens weigh more",
            f"{boost['label_weight']:g}", "set sae.boost.label: dust, for example, or take the weight out",
        )
    if sae["p_end"] < 1 and not architecture.anneals_p:
        annealed = " or ".join(name for name, other in ARCHITECTURES.items() if other.anneals_p)
        raise UserError(
            "config key sae.p_end", f"1, since sae.architecture is {architecture.name}", str(sae["p_end"]),
            f"set sae.architecture: {annealed}, or sae.p_end: 1",
        )
    asked = {"orthogonality": 0} if sae["orthogonality"] else {}
    asked |= {"mutual_weight": 0} if sae["mutual_weight"] else {}
    asked |= {"revive": "auxk"} if sae["revive"] == "resample" else {}
    for key, value in asked.items() if architecture.anchored else ():
        raise UserError(
            f"config key sae.{key}", f"{value}, since the directions of {architecture.name} follow from centroids and cannot be moved by it",
            str(sae[key]), f"set sae.{key}: {value}",
        )
    if architecture.needs_units and not sae["normalise"]:
        raise UserError(
            "config key sae.normalise", f"true, since {architecture.needs_units}", "false",
            "set sae.normalise: true or null",
        )
    if sae["mutual_weight"] and not sae["normalise"]:
        raise UserError(
            "config key sae.mutual_weight", "0, since without sae.normalise one number is another penalty in each block",
            f"{sae['mutual_weight']:g}", "set sae.normalise: true, or sae.mutual_weight: 0",
        )
    if sae["warm_up"] + sae["decay"] > 1:
        raise UserError(
            "config keys sae.warm_up and sae.decay", "shares of the steps, together at most 1",
            f"{sae['warm_up']} and {sae['decay']}", "lower one",
        )


def resolve(raw: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The complete, checked configuration.

    Args:
        raw: what YAML files, overlays and `--config` gave, already merged.

    Returns:
        The mapping that `model.from_mapping` takes, JSON-ready; and warnings, sentences for the log.

    Raises:
        UserError: the first thing that is wrong.
    """
    config = _fill(_coerce(raw, schema()), schema())
    validator = jsonschema.Draft202012Validator(schema())
    # An unknown key is often the cause of the other complaints, so it is named first.
    errors = sorted(validator.iter_errors(config), key=lambda e: (e.validator != "additionalProperties", len(e.path)))
    if errors:
        raise complaint(errors[0])
    config["sae"] = filled(config["sae"])
    boost = config["sae"]["boost"]
    if boost["label"] is not None and boost["label_weight"] is None:
        boost["label_weight"] = LABEL_WEIGHT
    is_demo = config["cams"]["source"] == "demo"
    limits, base = config["labels"]["thresholds"], (DEMO if is_demo else YEAR).by_name()
    config["labels"]["thresholds"] = {name: base[name] if value is None else value for name, value in limits.items()}
    if is_demo:
        for split, dates in DEMO_DATES.items():
            if all(value is None for value in config["cams"][split].values()):
                config["cams"][split]["dates"] = [*dates]
    _check_combinations(config)
    for key in ("levels", "init_hours"):
        # Sorted wherever they are used: another order is not another configuration.
        config["cams"][key] = sorted(config["cams"][key])
    return config, calendar.check_splits(from_mapping(config).cams)
