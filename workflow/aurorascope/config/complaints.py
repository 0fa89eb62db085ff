"""What a user reads where a value of the configuration is not what the schema asks for: key, expected, found, next."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jsonschema

from aurorascope.config.schema import deref, schema
from aurorascope.errors import UserError

# Bounds, each with how it is said, in the order in which two of them are.
_BOUNDS = {
    "minimum": "of {:g} or more", "exclusiveMinimum": "above {:g}", "maximum": "of {:g} or less", "exclusiveMaximum": "below {:g}",
    "multipleOf": "a multiple of {:g}",
}
_TYPES = {"integer": "a whole number", "number": "a number", "boolean": "true or false", "null": "null", "string": "text"}
_KEYS_SHOWN = 3


def complaint(error: jsonschema.ValidationError) -> UserError:
    """The error of a configuration that does not pass the schema, for its user."""
    where = ".".join(str(part) for part in error.absolute_path) or "config"
    node = error.schema
    if error.validator == "additionalProperties":
        known = list(node["properties"])
        unknown = next(key for key in error.instance if key not in known)
        prefix = "" if where == "config" else f"{where}."
        return UserError(f"config key {prefix}{unknown}", "a known key", "an unknown one", _hint(unknown, prefix, known))
    about = node.get("description", "see workflow/aurorascope/schemas/config.schema.yaml")
    fix = f"write it as a list, [{error.instance}]" if _is_one_of_list(node, error.instance) else "correct it in your config"
    return UserError(f"config key {where}", expectation(node), _found(error.instance), f"{fix} ({about})")


def _is_one_of_list(node: Mapping[str, Any], value: Any) -> bool:
    """Whether a list of values was asked for, and is one of them."""
    node = deref(dict(node))
    if "oneOf" in node:
        return any(_is_one_of_list(choice, value) for choice in node["oneOf"])
    return node.get("type") == "array" and jsonschema.Draft202012Validator(deref(node["items"])).is_valid(value)


def expectation(node: Mapping[str, Any]) -> str:
    """What a part of the schema asks for, in words, such as "a whole number of 1 or more, or null"."""
    node = deref(dict(node))
    if "oneOf" in node:
        return ", or ".join(expectation(choice) for choice in node["oneOf"])
    if "const" in node:
        return str(node["const"])
    if "enum" in node:
        return "one of " + ", ".join("null" if value is None else str(value) for value in node["enum"])
    kinds = [node["type"]] if isinstance(node["type"], str) else list(node["type"])
    words = [_of_type(kind, node) for kind in kinds if kind != "null"]
    return ", or ".join(words + ["null"] * ("null" in kinds))


def _of_type(kind: str, node: Mapping[str, Any]) -> str:
    if kind == "array":
        return _list(node)
    if kind == "object":
        keys = list(node["properties"])
        return f"keys of its own: {', '.join(keys[:_KEYS_SHOWN])}{', …' if len(keys) > _KEYS_SHOWN else ''}"
    if "pattern" in node:
        # The schema has words for each pattern.
        return str(node["title"])
    if kind not in ("integer", "number"):
        return _TYPES[kind]
    if {"minimum", "maximum"} <= node.keys():
        return f"{_TYPES[kind]} from {node['minimum']:g} to {node['maximum']:g}"
    bounds = [words.format(node[name]) for name, words in _BOUNDS.items() if name in node]
    return " ".join([_TYPES[kind], " and ".join(bounds)]).strip()


def _list(node: Mapping[str, Any]) -> str:
    least, most = node.get("minItems"), node.get("maxItems")
    number = f"{least} " if least is not None and least == most else ""
    more = f", at least {least} of them" if least and not number else ""
    more += f", at most {most} of them" if most and not number else ""
    more += ", each once" if node.get("uniqueItems") else ""
    return f"a list of {number}values ({expectation(node['items'])}){more}"


def _found(value: Any) -> str:
    """A value as YAML has it, text in quotation marks."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(_found, value))}]"
    return repr(value)


def _hint(unknown: str, prefix: str, known: list[str]) -> str:
    """The key that was meant: of that name in any section, or of a name like it here, or anywhere."""
    # A section's own keys before those of a section within it.
    everywhere = sorted(_dotted(schema(), ""), key=lambda key: key.count("."))
    exact = [key for key in everywhere if key.rsplit(".", 1)[-1] == unknown]
    exact = [key for key in exact if key.count(".") == exact[0].count(".")]
    if exact:
        section, _, key = exact[0].rpartition(".")
        return f"did you mean {' or '.join(exact)}? For example --config '{section}={{{key}: …}}'"
    leaves = {key.rsplit(".", 1)[-1]: key for key in reversed(everywhere)} | {key: f"{prefix}{key}" for key in known}
    for names, cutoff in ((known, 0.8), (list(leaves), 0.8), (known, 0.5)):
        if near := difflib.get_close_matches(unknown, names, n=1, cutoff=cutoff):
            return f"did you mean {leaves[near[0]]}?"
    return f"remove it; known keys: {', '.join(known)}"


def _dotted(node: dict[str, Any], prefix: str) -> Iterator[str]:
    """All keys of the schema, dotted; sections themselves are left out."""
    for key, child in deref(node).get("properties", {}).items():
        if deref(child).get("type") == "object":
            yield from _dotted(child, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
