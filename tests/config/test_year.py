"""The published year stays what it was, whatever the demo's settings become.

year.json was written at the commits that it names: the year's configuration with every value filled in, and each stage's digest.
"""

import json
from pathlib import Path

import pytest
import yaml
from aurorascope.config.resolve import resolve
from aurorascope.config.stages import KEYS, stage_digest

from tests.config.raw import typed

RECORDED = json.loads(Path(__file__).with_name("year.json").read_text())


def leaves(node, prefix=""):
    for name, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def test_every_value_of_the_year_is_as_it_was(year_raw):
    """Keys that are newer may have come; none has gone or has another value."""
    present = dict(leaves(resolve(year_raw)[0]))
    # How the demo's Aurora is trained says nothing where the official one is fetched.
    recorded = {key: value for key, value in leaves(RECORDED["resolved"]) if not key.startswith("aurora.demo.")}
    assert {key: present.get(key, "gone") for key in recorded} == recorded


def test_every_stage_and_section_is_recorded(year_raw):
    """A stage that nobody recorded could change, and make a year of results anew, unnoticed."""
    assert set(KEYS) == set(RECORDED["digests"]) and set(resolve(year_raw)[0]) == set(RECORDED["resolved"])


@pytest.mark.parametrize("stage", RECORDED["digests"])
def test_every_stage_of_the_year_is_as_it_was(year_raw, stage):
    """What the year made stays up to date; where it must be made anew, a new digest is recorded on purpose."""
    assert stage_digest(typed(year_raw), stage) == RECORDED["digests"][stage]


def test_the_year_names_every_key_of_saes_that_the_demo_sets(demo_raw, root):
    """So that no value of the demo reaches it."""
    overlay = yaml.safe_load((root / "workflow" / "config" / "cams-year.yaml").read_text())
    named = dict(leaves(overlay["sae"]))
    assert set(dict(leaves(demo_raw["sae"]))) <= set(named)
    assert {key: value for key, value in named.items() if key.startswith("tuned.")} == dict.fromkeys(["tuned.expansion", "tuned.target_l0", "tuned.aux_weight"])


def test_the_year_names_every_key_of_atlases_that_the_demo_sets(demo_raw, root):
    """And makes them only where it is told to."""
    overlay = yaml.safe_load((root / "workflow" / "config" / "cams-year.yaml").read_text())["atlas"]
    assert set(demo_raw["atlas"]) == set(overlay) and overlay.pop("enabled") is False
    assert set(overlay.values()) == {None}
