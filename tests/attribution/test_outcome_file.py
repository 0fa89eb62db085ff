"""Outcomes' files: what is refused with the file's name before anything runs, and what their attributions need."""

import dataclasses

import pytest
import yaml
from aurorascope.attribution.claim import asked_of, check_suite
from aurorascope.attribution.needs import N_EXACT, N_POINTS, needs_of
from aurorascope.attribution.outcome_file import outcome_names, read_outcome_file
from aurorascope.attribution.planned import check_blocks, check_planned
from aurorascope.attribution.target import read_target
from aurorascope.blocks import BLOCK_IDS
from aurorascope.errors import UserError
from aurorascope.files import write_json
from aurorascope.records import KINDS
from aurorascope.studies.outcomes import Linear

from tests.studies import folder

CONFIG = folder.config()
FIRST, LAST = BLOCK_IDS[0], BLOCK_IDS[-1]
GIVEN = {"variable": "u", "level": 250, "region": {"band": [30, 60]}, "dates": ["2022-06-20"]}


@pytest.fixture
def written(tmp_path):
    """Write an outcome's file, None leaving a key out, and read it."""

    def write(**changes):
        (tmp_path / "outcomes").mkdir(exist_ok=True)
        content = {key: value for key, value in (GIVEN | changes).items() if value is not None}
        (tmp_path / "outcomes" / "jet.yaml").write_text(yaml.safe_dump(content))
        return read_outcome_file("jet", tmp_path / "outcomes")

    return write


def plan(file, config=CONFIG):
    """All that is looked at before anything is made."""
    needs_of(file, config.cams)
    check_planned(file, config)
    read_target(file, config.cams.demo_grid)


@pytest.mark.parametrize(("changes", "words"), [
    ({"regio": {"band": [30, 60]}}, "jet.yaml, regio: expected one of the keys variable, level,"),
    ({"regio": {"band": [30, 60]}}, "take region"),
    ({"quiet_date": ["2022-07-05"]}, "take quiet_dates"),
    ({"seed": 1}, "jet.yaml, seed: expected one of the keys"),
    ({"name": "jet"}, "the file's name is the outcome's"),
    ({"hour": 6}, "jet.yaml, hour: expected one of cams.init_hours, 12"),
    ({"hour": 24}, "jet.yaml, hour: expected an hour from 0 to 23"),
    ({"dates": ["2022-08-01"]}, "jet.yaml, dates, 2022-08-01: expected a date with a configured snapshot"),
    ({"dates": None, "date": "2022-08-01"}, "jet.yaml, date, 2022-08-01: expected a date with a configured snapshot"),
    ({"dates": None}, "expected either date or dates, found neither"),
    ({"date": "2022-06-20"}, "expected either date or dates, found both"),
    ({"dates": []}, "jet.yaml, dates: expected a list of at least one"),
    ({"quiet_dates": ["2022-06-20"]}, "dates that are none of the outcome's"),
    ({"quiet_dates": ["2022-08-01"]}, "jet.yaml, quiet_dates, 2022-08-01"),
    ({"dates": ["2022-06-02", "2022-06-20", "2022-07-05"]}, "quiet_dates: expected dates more than 5 days from those of the outcome"),
    ({"variable": "t2", "level": None}, "jet.yaml, variable: "),
    ({"variable": "t2", "level": None}, "take 2t"),
    ({"level": None}, "level of u: expected one of 50, 100"),
    ({"level": 251}, "take 250"),
    ({"variable": None, "level": None}, "expected either variable or terms, found neither"),
    ({"terms": [{"variable": "2t"}]}, "expected either variable or terms, found both"),
    ({"variable": None, "level": None, "terms": [{"variable": "2t", "coefficient": "much"}]}, "term 0, coefficient: expected a finite number"),
    ({"variable": None, "level": None, "terms": [{"variable": "2t"}, {"variable": "t", "level": 1}]}, "level of t"),
    ({"variable": None, "level": None, "terms": [{"variable": "2t"}, {"variable": "2t", "coefficient": -1}]},
     "terms: expected each variable and level once, found 2t twice"),
    ({"variable": None, "level": None, "terms": [{"variable": "u", "level": 250}, {"variable": "u", "level": 250}]}, "found u at 250 twice"),
    ({"rule": True}, "rule: expected one of gradient"),
    ({"exact": 10**21}, "exact: expected an integer of at most 100000"),
    ({"rule": "midpoint", "blocks": [FIRST], "points": 10**21}, "points: expected an integer of at most 1000"),
    ({"dates": ["2022-06-20", "2022-06-20"]}, "each once"),
    ({"region": {"disk": [95, 0, 4000]}}, "jet.yaml, region, disk: expected latitudes"),
    ({"region": {"disk": [0, 4, 20]}}, "jet.yaml, region: expected at least one cell or token of the grid, found none of 19 x 36"),
    ({"region": {"disk": [0, 4, 20], "label": "jet"}}, "at least one cell or token of the grid"),
    ({"region": {"levels": ["surface"]}}, "expected a region of cells"),
    ({"region": {"label": "jett"}}, "take jet"),
    ({"region": {"bandd": [30, 60]}}, "take band"),
    ({"rule": "gradients"}, "jet.yaml, rule: expected one of gradient, relevance, midpoint, found 'gradients'. Next: take gradient"),
    ({"rule": ["gradient"]}, "jet.yaml, rule: expected one of gradient, relevance, midpoint"),
    ({"rule": "midpoint"}, "jet.yaml, blocks: expected a list of blocks"),
    ({"points": 4}, "points: expected none, since the rule gradient takes the clean point"),
    ({"rule": "midpoint", "blocks": [FIRST], "points": 0}, "points: expected an integer of at least 1"),
    ({"exact": -1}, "exact: expected an integer of at least 0"),
    ({"blocks": ["encoder_s0_c0"]}, "take encoder_s0_b0"),
    ({"blocks": [FIRST, FIRST]}, "each block once"),
    ({"blocks": []}, "blocks: expected a list of at least one"),
])
def test_a_wrong_file_is_refused_before_anything_runs(written, changes, words):
    with pytest.raises(UserError) as caught:
        plan(written(**changes))
    assert "jet.yaml" in str(caught.value) and words in str(caught.value)


def test_a_rule_that_was_forgotten_is_refused(tmp_path):
    (tmp_path / "jet.yaml").write_text("variable: 2t\ndate: 2022-06-20\nrule: null\n")
    with pytest.raises(UserError, match=r"jet.yaml, rule: expected a value, found none"):
        read_outcome_file("jet", tmp_path)


def test_a_missing_file_names_the_nearest(written, tmp_path):
    written()
    assert outcome_names(tmp_path / "outcomes") == ["jet"]
    with pytest.raises(UserError, match=r"jets.yaml: expected the file of an outcome, found only jet. Next: take jet"):
        read_outcome_file("jets", tmp_path / "outcomes")
    with pytest.raises(UserError, match=r"write it as docs/attribution.md says"):
        read_outcome_file("jets", tmp_path / "none")


def test_what_is_needed_follows_from_the_file(written):
    needs = needs_of(written(), CONFIG.cams)
    assert needs.dates == ("2022-06-20",) and needs.hour == 12 and needs.time("2022-06-20") == "2022-06-20T12:00:00Z"
    # Held-out dates first, then those of training, more than 5 days away.
    assert needs.quiet_dates == ("2022-06-01", "2022-06-02", "2022-07-05") and not needs.has_labels
    assert (needs.blocks, needs.rule, needs.points, needs.exact) == (None, "gradient", 0, N_EXACT)
    changes = {"rule": "midpoint", "blocks": [LAST, FIRST], "region": {"label": "jet"}, "quiet_dates": ["2022-07-05"], "exact": 0}
    needs = needs_of(written(**changes), CONFIG.cams)
    assert needs.blocks == (FIRST, LAST) and needs.points == N_POINTS and needs.exact == 0
    assert needs.quiet_dates == ("2022-07-05",) and needs.has_labels


def test_one_date_is_a_list_of_one(written):
    assert needs_of(written(dates=None, date="2022-06-20"), CONFIG.cams).dates == ("2022-06-20",)


def test_which_blocks_are_made_is_not_what_is_asked_of_each(written):
    """So that another block leaves the record of the first as it is."""
    assert asked_of(written(blocks=[FIRST])) == asked_of(written(blocks=[LAST])) == asked_of(written())


def test_the_outcome_is_that_of_a_study(written):
    """With its units, under the file's name."""
    found = read_target(written(region={"disk": [45, 0, "4e3"]}))
    assert found == Linear.read("here", {"name": "jet", "variable": "u", "level": 250, "region": {"disk": [45, 0, 4000.0]}})
    terms = [{"variable": "u", "level": 250}, {"variable": "2t", "coefficient": -0.5}]
    found = read_target(written(variable=None, level=None, terms=terms))
    assert found.terms == ((("u", 250), 1.0), (("2t", None), -0.5))


def test_a_grid_that_is_not_known_is_not_looked_at(written):
    """The user's files decide it; the job looks, before any forward."""
    file = written(region={"disk": [0, 4, 20]})
    assert read_target(file).name == "jet"
    fine = dataclasses.replace(CONFIG.cams, demo_grid=(1801, 3600))
    assert read_target(file, fine.demo_grid).name == "jet"


@pytest.mark.parametrize(("forms", "words"), [
    ({FIRST: "abstopk", LAST: "jumprelu"}, "signs"),
    ({FIRST: "topk", LAST: "abstopk"}, f"with signs in {LAST} and without in {FIRST}"),
    ({FIRST: "topk"}, f"sae_{LAST}.json"),
])
def test_suites_that_do_not_go_together_are_refused(tmp_path, forms, words):
    """Signed and unsigned ones, and blocks without an SAE."""
    for block, form in forms.items():
        write_json(KINDS["sae"].where(tmp_path, block=block), {"kind": "sae", "block": block, "released_as": form})
    with pytest.raises(UserError) as caught:
        check_suite(tmp_path, [FIRST, LAST])
    assert words in str(caught.value)


def test_blocks_that_will_have_no_sae_are_refused(tmp_path):
    """Those of the configuration will; another may have one from before."""
    config = dataclasses.replace(CONFIG, blocks=(FIRST,))
    check_blocks("jet.yaml, blocks", [FIRST], config, tmp_path)
    with pytest.raises(UserError, match=rf"jet.yaml, blocks: .* found {LAST}. Next: take encoder_s0_b0, or add it to blocks"):
        check_blocks("jet.yaml, blocks", [FIRST, LAST], config, tmp_path)
    write_json(KINDS["sae"].where(tmp_path, block=LAST), {"kind": "sae"})
    check_blocks("jet.yaml, blocks", [FIRST, LAST], config, tmp_path)


def test_suites_of_one_kind_go_together(tmp_path):
    for block, form in ((FIRST, "topk"), (LAST, "jumprelu")):
        write_json(KINDS["sae"].where(tmp_path, block=block), {"kind": "sae", "block": block, "released_as": form})
    check_suite(tmp_path, [FIRST, LAST])
