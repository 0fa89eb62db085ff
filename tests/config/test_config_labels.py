"""The section `labels`: the base of the thresholds follows the source, and what is written replaces single values."""

import dataclasses

import pytest
from aurorascope.config.resolve import resolve
from aurorascope.config.stages import stage_params
from aurorascope.config.thresholds import DEMO, YEAR, Thresholds

from tests.config.raw import put, typed


@pytest.mark.parametrize("nothing", [None, {}, {"jet_speed": None}])
def test_the_base_is_that_of_the_source(demo_raw, nothing):
    """The demo's own for the demo, a year's for every other source."""
    put(demo_raw, "labels.thresholds", nothing)
    assert typed(demo_raw).labels.thresholds == DEMO != YEAR
    put(put(demo_raw, "static.source", "official"), "cams.train", {"start": "2022-06-01", "end": "2022-06-04"})
    put(demo_raw, "cams.held_out", {"start": "2022-06-20", "end": "2022-06-21"})
    for source, folder in (("ads", None), ("local", "days")):
        put(put(demo_raw, "cams.source", source), "cams.directory", folder)
        assert typed(demo_raw).labels.thresholds == YEAR


def test_the_year_has_the_years_whatever_the_demo_is_set_to(year_raw, root):
    assert typed(year_raw).labels.thresholds == YEAR
    assert year_raw["labels"] == {"thresholds": None, "own": None}


def test_single_values_are_replaced_and_numbers_are_numbers(demo_raw):
    """As text, as a whole number or in the notation that YAML reads as text; the digest is that of the number."""
    found = [typed(put(demo_raw, "labels.thresholds", {"vorticity": 4e-5, "jet_speed": value})) for value in (35, 35.0, "35", "3.5e1")]
    assert all(each.labels.thresholds == dataclasses.replace(DEMO, vorticity=4e-5, jet_speed=35.0) for each in found)
    params = stage_params(found[0], "label_day")
    assert params["labels.thresholds"] == dataclasses.asdict(found[0].labels.thresholds)
    assert all(isinstance(each.labels.thresholds.jet_speed, float) for each in found)


def test_what_was_resolved_stays_as_it_is(demo_raw):
    """Also where another source would take other values: numbers are written out."""
    once = resolve(put(demo_raw, "labels.thresholds", {"jet_speed": 35}))[0]
    assert resolve(once)[0] == once
    assert set(once["labels"]["thresholds"]) == {limit.name for limit in dataclasses.fields(Thresholds)}


def test_every_threshold_is_a_value_that_its_key_allows(demo_raw):
    """Both bases pass the bounds of the schema when they are written out."""
    for base in (DEMO, YEAR):
        assert typed(put(demo_raw, "labels.thresholds", dataclasses.asdict(base))).labels.thresholds == base
