"""Raw configurations to be changed, and the keys of the schema."""

from aurorascope.config import Config, from_mapping
from aurorascope.config.resolve import resolve
from aurorascope.config.schema import schema


def put(raw, key, value):
    """Set a dotted key in a nested mapping and return the mapping."""
    *sections, last = key.split(".")
    node = raw
    for section in sections:
        node = node.setdefault(section, {})
    node[last] = value
    return raw


def typed(raw) -> Config:
    return from_mapping(resolve(raw)[0])


def deref(node):
    if "$ref" in node:
        return {**schema()["$defs"][node["$ref"].rsplit("/", 1)[1]], **node}
    return node


def schema_keys(node, prefix=""):
    for name, child in node["properties"].items():
        child = deref(child)
        yield prefix + name, child
        if "properties" in child:
            yield from schema_keys(child, f"{prefix}{name}.")


SCHEMA_KEYS = dict(schema_keys(schema()))
LEAVES = {key: node for key, node in SCHEMA_KEYS.items() if "properties" not in node}
