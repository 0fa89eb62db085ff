"""Numbers and questions in words: what is printed can be read back, and every kind that a file may ask for has its words."""

import re

import pytest
from aurorascope.studies.outcomes import KINDS
from aurorascope.studies.study import _EDITS, _VALUED
from aurorascope.studies.wording import (
    change_words,
    edit_words,
    field_title,
    number,
    outcome_words,
    power_of,
    pretty_unit,
    region_words,
    unit_of,
)
from hypothesis import given
from hypothesis import strategies as st

LOWERED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")
OUTCOMES = {
    "linear": {"variable": "t", "level": 850}, "msl_min": {"region": {"disk": [10, 190, 500]}}, "wind_max": {"region": {"band": [-10, 0]}},
    "feature": {"block": "encoder_s0_b3", "feature": [4, -1]}, "tracker": {"lat": 20, "lon": 300, "reads": "shift"},
}


@given(st.floats(-1e300, 1e300).filter(lambda value: abs(value) > 1e-290))
def test_a_number_can_be_read_back(value):
    text = number(value)
    head, _, power = text.partition(" × 10")
    found = float(f"{head.translate(LOWERED)}e{power.translate(LOWERED) or 0}")
    assert found == pytest.approx(value, rel=5.1e-3)
    # Digits that count, but for whole numbers below a million, which are written out.
    assert len(re.sub(r"^0+|[^0-9]", "", head.lstrip("−").replace("0.", "", 1) if head.lstrip("−").startswith("0.") else head)) <= 6


@pytest.mark.parametrize(("value", "text"), [
    (0.0, "0"), (-0.0703125, "−0.0703"), (1.2e-7, "1.2 × 10⁻⁷"), (123456.0, "123456"), (3e8, "3 × 10⁸"), (99.96, "100"), (None, "not known"),
    (float("nan"), "not known"),
])
def test_numbers_in_words(value, text):
    assert number(value) == text


@given(st.floats(1e-12, 1e12))
def test_axes_have_short_numbers(top):
    assert 0.001 <= top / 10.0 ** power_of(top) < 1e5


def test_units_have_their_powers_raised():
    assert pretty_unit("kg m**-3") == "kg m⁻³" and pretty_unit("m**2 s**-2") == "m² s⁻²" and pretty_unit("K") == "K"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_outcome_has_words_and_a_unit(kind):
    outcome = {"kind": kind, **OUTCOMES[kind]}
    assert unit_of(outcome) and len(outcome_words(outcome)) > 20


def test_outcomes_say_where_and_of_what():
    assert outcome_words({"kind": "msl_min", **OUTCOMES["msl_min"]}) == "least pressure at sea level within 500 km of 10° N, 170° W"
    terms = [{"variable": "pm2p5"}, {"variable": "t", "level": 850, "coefficient": -2}]
    assert outcome_words({"kind": "linear", "terms": terms}) == "mean by area of particulate matter 2.5 µm − 2 × temperature at 850 hPa everywhere"
    for factors, expected in (((-1, -1), "−temperature − 10m"), ((1, 1), "temperature + 10m"), ((-0.5, 3), "−0.5 × temperature + 3 × 10m"), ((0, -1), "0 × temperature − 10m")):
        terms = [{"variable": "t", "level": 850, "coefficient": factors[0]}, {"variable": "10u", "coefficient": factors[1]}]
        assert expected in outcome_words({"kind": "linear", "terms": terms}).replace(" at 850 hPa", "")


def test_fields_of_the_file_have_their_long_names():
    assert (field_title("t_850"), field_title("msl"), field_title("10u")) == ("temperature at 850 hPa", "mean sea level pressure", "10m u component of wind")
    assert "feature 4 (negative) of encoder_s0_b3" in outcome_words({"kind": "feature", **OUTCOMES["feature"]})


@pytest.mark.parametrize("kind", _EDITS)
def test_every_edit_has_words(kind):
    value = {"clamp": "2*p99"}.get(kind, 2)
    words = edit_words({kind: value} if kind in _VALUED else kind, 2)
    assert words.startswith(("are ", "have ")) and (kind != "clamp" or "2 × their 99th percentile" in words)


def test_regions_in_words():
    assert region_words(None) == region_words({}) == "everywhere"
    found = region_words({"box": [-10, 20, 350, 10], "levels": ["surface", "atmos_1"], "label": "dust"})
    assert found == "from 10° S to 20° N and from 10° W to 10° E, where the label dust holds, on the latent levels surface and atmos_1"


def test_changes_of_inputs_in_words():
    plume = {"add_plume": {"variable": "no2", "kg": 3e8, "levels": [850, 925], "times": "latest", "region": {"disk": [30, 100, 4000]}}}
    assert change_words(plume) == (
        "a plume of 3 × 10⁸ kg of nitrogen dioxide is added at 850 and 925 hPa, within 4000 km of 30° N, 100° E, at the latest of the two input times alone"
    )
    assert change_words({"scale_emission": {"emission": "CO_emission", "factor": 0.5}}) == "the emission CO_emission is multiplied by 0.5, everywhere"
