"""The JSON schema of the configuration, which says what every key means."""

import dataclasses
import functools
from importlib.resources import files
from typing import Any

import yaml

from aurorascope.config.thresholds import Thresholds
from aurorascope.sae.architectures import ARCHITECTURES

_SCHEMA = files("aurorascope") / "schemas" / "config.schema.yaml"


@functools.cache
def schema() -> dict[str, Any]:
    """The configuration's JSON schema, with the architectures that there are as choices, and the thresholds as keys.

    Each command reads it: with libyaml, where PyYAML has it, in a tenth of the time.
    """
    text = _SCHEMA.read_text(encoding="utf-8")
    whole = yaml.load(text, Loader=yaml.CSafeLoader) if yaml.__with_libyaml__ else yaml.safe_load(text)
    whole["properties"]["sae"]["properties"]["architecture"]["enum"] = [*ARCHITECTURES, None]
    whole["properties"]["labels"]["properties"]["thresholds"]["properties"] = {
        limit.name: {"type": ["number", "null"], "default": None, **limit.metadata} for limit in dataclasses.fields(Thresholds)
    }
    return whole


def deref(node: dict[str, Any]) -> dict[str, Any]:
    """A part of the schema with the definition that it refers to filled in; what it says itself goes first."""
    if "$ref" in node:
        target = schema()["$defs"][node["$ref"].rsplit("/", 1)[1]]
        return {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return node


def types_of(node: dict[str, Any]) -> set[str]:
    """Names of the JSON types that a part of the schema allows."""
    if "enum" in node or "const" in node:
        values = node.get("enum", [node.get("const")])
        names = {str: "string", int: "integer", type(None): "null"}
        return {names[type(value)] for value in values}
    if "oneOf" in node:
        return set().union(*(types_of(choice) for choice in node["oneOf"]))
    kinds = node.get("type", [])
    return {kinds} if isinstance(kinds, str) else set(kinds)
