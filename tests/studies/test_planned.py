"""What the configuration tells is refused for planning, by the file's name, before anything is made."""

import dataclasses

import pytest
from aurorascope.costs.rows import not_counted
from aurorascope.errors import UserError
from aurorascope.labels.all import LABELS
from aurorascope.labels.levels import LEVELS_OF
from aurorascope.studies.costs import studies_cost
from aurorascope.studies.needs import needs_of
from aurorascope.studies.planned import check_planned
from aurorascope.studies.study_file import read_study_file

from tests.studies import folder

CONFIG = folder.config()
FINE = dataclasses.replace(CONFIG, cams=dataclasses.replace(CONFIG.cams, demo_grid=(121, 240)))
SIGNED = dataclasses.replace(CONFIG, sae=dataclasses.replace(CONFIG.sae, architecture="abstopk"))
UNSIGNED = dataclasses.replace(CONFIG, sae=dataclasses.replace(CONFIG.sae, architecture="jumprelu"))
FEW_LEVELS = dataclasses.replace(CONFIG, cams=dataclasses.replace(CONFIG.cams, levels=(850, 1000)))
OWN = dataclasses.replace(CONFIG, labels=dataclasses.replace(CONFIG.labels, own="labels"))
LAST = 16 * 2 * CONFIG.sae.expansion - 1
"""Number of the last feature of the edited block: 16 channels, doubled in its stage."""


@pytest.fixture
def plan(tmp_path):
    """Plan a study of a file's content."""

    def check(content, config=CONFIG):
        folder.write_file(tmp_path, "one", content)
        file = read_study_file("one", tmp_path / "studies")
        needs_of(file, config.cams)
        check_planned(file, config)

    return check


def linear(**keys):
    return {"outcomes": [{"kind": "linear", "name": "a", **keys}]}


def feature(block=folder.BLOCK, number=3):
    return {"outcomes": [{"kind": "feature", "name": "reads", "block": block, "feature": number}]}


TRACKER = {"kind": "tracker", "name": "low", "lat": 30, "lon": 200, "reads": "error", "truth": [[31, 200]]}


@pytest.mark.parametrize(("changes", "config", "words"), [
    ({"region": {"label": "dusty"}}, CONFIG, "region, label: expected one of day,"),
    ({"region": {"label": "dusty"}}, CONFIG, "found 'dusty'. Next: take dust"),
    ({"region": {"label": "front"}}, dataclasses.replace(CONFIG, cams=dataclasses.replace(CONFIG.cams, levels=(500,))), "no 850"),
    ({"region": {"label": "jet"}}, dataclasses.replace(OWN, cams=FEW_LEVELS.cams), "no 250"),
    (linear(variable="2t", region={"label": "dusty"}), CONFIG, "outcome 0, region, label: "),
    (linear(variable="t2"), CONFIG, "outcome 0, variable: "),
    (linear(variable="t2"), CONFIG, "take 2t"),
    (linear(variable="t2m"), CONFIG, "take 2t"),
    (linear(variable="t"), CONFIG, "level of t: expected one of 50, 100"),
    (linear(variable="t"), CONFIG, "found none. Next: add the key level"),
    (linear(variable="t", level=875), CONFIG, "take 850"),
    (linear(variable="t", level=500), FEW_LEVELS, "expected one of 850, 1000 hPa"),
    (linear(variable="2t", level=850), CONFIG, "variable of the surface, found 850. Next: leave level out"),
    (linear(terms=[{"variable": "2t"}, {"variable": "t", "level": 1}]), CONFIG, "level of t"),
    ({"features": [LAST + 1]}, CONFIG, f"features: expected features 0 to {LAST}, found {LAST + 1}"),
    (feature(number=LAST + 1), CONFIG, f"outcome 0, feature: expected features 0 to {LAST}"),
    ({"features": [[3, -1]]}, UNSIGNED, "never negative"),
    (feature(number=[3, -1]), UNSIGNED, "never negative"),
    ({"features": [66, 1]}, SIGNED, "write [[66, 1]] for the one feature"),
    ({"features": [3], **feature()}, CONFIG, "(3, 1), which is outcome reads"),
    ({"features": [[3, -1]], **feature(number=[3, 1])}, SIGNED, "(3, -1), which is outcome reads"),
    (feature(block="encoder_s0_b0"), CONFIG, "changes nothing before its block"),
    ({"outcomes": [TRACKER]}, CONFIG, "1.5 degrees or finer, which the tracker needs, found 10 degrees"),
    ({"outcomes": [TRACKER], "steps": 2}, FINE, "truth: expected 2 places"),
    ({"outcomes": [TRACKER]}, dataclasses.replace(FINE, cams=dataclasses.replace(FINE.cams, levels=(850,))), "which the tracker reads, level of z"),
    ({"placebo_degrees": 7}, CONFIG, "placebo_degrees: expected 60 to 300"),
])
def test_what_the_configuration_tells_is_refused_for_planning(plan, changes, config, words):
    with pytest.raises(UserError) as caught:
        plan(folder.given(5, **changes), config)
    assert "one.yaml, " in str(caught.value) and words in str(caught.value)


@pytest.mark.parametrize(("changes", "config"), [
    ({}, CONFIG),
    ({"region": {"label": "dust"}}, CONFIG),
    ({"region": {"label": "mine"}}, OWN),
    ({"features": [LAST]}, CONFIG),
    ({"features": [66, 1]}, UNSIGNED),
    ({"features": [[66, 1]]}, SIGNED),
    ({"features": [1, 66]}, SIGNED),
    (feature(), CONFIG),
    (feature(block=folder.LATER, number=LAST), CONFIG),
    ({"outcomes": [TRACKER]}, FINE),
    ({"placebo_degrees": 60}, CONFIG),
])
def test_what_there_will_be_is_taken(plan, changes, config):
    plan(folder.given(5, **changes), config)


def test_levels_of_changed_inputs_are_those_of_the_configuration(plan):
    change = {"variables": ["no2"], "factor": 2}
    plan(folder.given_inputs(perturb=[{"scale": {**change, "levels": [850]}}]))
    with pytest.raises(UserError, match=r"one.yaml, change 0, scale, levels: .* take 850"):
        plan(folder.given_inputs(perturb=[{"scale": {**change, "levels": [851]}}]))


def test_a_feature_of_any_block_is_an_outcome_of_changed_inputs(plan):
    plan(folder.given_inputs(outcomes=[{"kind": "feature", "name": "a", "block": "encoder_s0_b0", "feature": 3}]))


def test_planning_knows_all_labels_and_their_levels():
    assert {name: tuple(each.needs) for name, each in LABELS.items()} == LEVELS_OF


def test_the_plan_does_not_count_what_will_be_refused(tmp_path):
    folder.write_file(tmp_path, "one", folder.given(5, region={"label": "dusty"}))
    ((section),) = studies_cost(CONFIG, (19, 36), None, tmp_path / "studies")
    assert section.rows[0][1] == "not counted" and "take dust" in section.rows[0][2]
    (line,) = not_counted([section], "study", "studies")
    assert line.startswith("The study one is not counted")
    folder.write_file(tmp_path, "one", folder.given(5))
    assert not_counted(studies_cost(CONFIG, (19, 36), None, tmp_path / "studies"), "study", "studies") == []
