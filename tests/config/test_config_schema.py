import copy
import dataclasses
import typing

import jsonschema
import pytest
from aurorascope.blocks import BLOCK_IDS
from aurorascope.config import Config
from aurorascope.config.recipes import RECIPES
from aurorascope.config.resolve import resolve
from aurorascope.config.schema import schema

from tests.config.raw import LEAVES, SCHEMA_KEYS, typed


def class_keys(kind, prefix=""):
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        yield prefix + field.name, hints[field.name]
        if dataclasses.is_dataclass(hints[field.name]):
            yield from class_keys(hints[field.name], f"{prefix}{field.name}.")


def test_schema_and_dataclasses_have_the_same_keys():
    """Every key of the schema is a field of the dataclasses, and the other way round, in the same order.

    But for what a recipe takes in place of its own values: that is filled in, and gone.
    """
    kept = [key for key in SCHEMA_KEYS if not key.startswith("sae.tuned")]
    assert kept == [key for key, _ in class_keys(Config)]


def test_dataclasses_have_the_types_of_the_schema():
    """A key that may be null in the schema may be None in its dataclass, unless recipes or the source fill it; lists are tuples."""
    kinds = dict(class_keys(Config))
    for key, node in LEAVES.items():
        if "type" not in node or key.startswith("sae.tuned."):
            continue
        is_filled = key.startswith("labels.thresholds.")
        names = [node["type"]] if isinstance(node["type"], str) else node["type"]
        options = typing.get_args(kinds[key]) or (kinds[key],)
        if typing.get_origin(kinds[key]) is tuple:
            options = (kinds[key],)
        recipes = [] if is_filled else [recipe.get(key.removeprefix("sae.")) for recipe in RECIPES.values()]
        assert (type(None) in options) == ("null" in names and None in recipes), key
        plain = {typing.get_origin(option) or option for option in options} - {type(None)}
        python = {"string": str, "integer": int, "number": float, "boolean": bool, "array": tuple}
        assert plain == {python[name] for name in names if name != "null"}, key


@pytest.mark.parametrize("key", SCHEMA_KEYS)
def test_every_key_of_the_schema_is_described(key):
    """Each key, or the definition it refers to, says what it means."""
    assert len(SCHEMA_KEYS[key].get("description", "")) > 10


def test_every_fixed_section_refuses_unknown_keys():
    """No object of the schema lets an unknown key pass."""
    objects = [schema(), *(node for node in SCHEMA_KEYS.values() if node.get("type") == "object")]
    assert all(node["additionalProperties"] is False for node in objects)


@pytest.mark.parametrize("key", LEAVES)
def test_every_default_is_valid(key):
    """Each leaf has a default that its own schema accepts."""
    node = {**LEAVES[key], "$defs": schema()["$defs"]}
    assert "default" in node
    jsonschema.Draft202012Validator({k: v for k, v in node.items() if k != "$ref"}).validate(node["default"])


def test_schema_itself_is_valid():
    """The schema is a JSON schema."""
    jsonschema.Draft202012Validator.check_schema(schema())


def test_dates_alone_make_a_configuration():
    """Every key but the dates has a default."""
    raw = {"cams": {"train": {"dates": ["2022-06-01"]}, "held_out": {"dates": ["2022-07-01"]}}}
    config = typed(raw)
    assert config.sae.lr == 0.0004
    assert config.block_ids == BLOCK_IDS
    assert config.sae.architecture == "relu"


def test_empty_sections_take_the_defaults(demo_raw):
    """A section written without content is as good as one left out."""
    without = copy.deepcopy(demo_raw)
    del without["evaluation"], without["compute"]
    assert resolve(demo_raw | {"evaluation": None, "compute": {"threads": None}}) == resolve(without)
