"""What a page says beside numbers: moved tokens, dates in place of an interval of a few, why a share is not known, and what says nothing."""

import dataclasses

import numpy as np
import pytest
from aurorascope.figures.study_arms import draw_arms
from aurorascope.pages.study_dates import by_date
from aurorascope.pages.study_facts import facts, meaning
from aurorascope.studies.finished import read_finished
from aurorascope.studies.wording import number, with_unit

from tests.studies import folder
from tests.studies.drawing import with_record

DATES = folder.DATES


@pytest.fixture(scope="module")
def study(small, finished_study):
    return read_finished(small.path / "results", finished_study)


def with_effects(study, **columns):
    """The study with other columns of its effects; a function of the table each."""
    effects = study.tables["effects"]
    return dataclasses.replace(study, tables=study.tables | {"effects": effects.assign(**columns)})


def facts_of(study, **changes):
    asked, verdict = study.outcomes[0]
    return {fact.name: fact for fact in facts(study, asked, verdict | changes)}


def touching(effects):
    """One token of the region's 16 on the first date, four of 16 on the second."""
    moved = np.where(effects["date"] == DATES[0], 1, 4)
    return np.where(effects["kind"] == "reconstruction", 16, moved)


def test_moved_tokens_stand_beside_those_of_the_region(study):
    fact = facts_of(with_effects(study, touched=touching))["Moved"]
    assert fact.value == "2.5 tokens of 16" and fact.note == f"mean over dates; {DATES[0]}: 1 of 16; {DATES[1]}: 4 of 16"
    own = study.tables["effects"].query("outcome == 'warmth'").set_index(["arm", "date"])["touched"]
    assert f"{DATES[0]}: {own['feature_1', DATES[0]]} of {own['reconstruction_1', DATES[0]]}" in facts_of(study)["Moved"].note


def test_tokens_of_several_edited_steps_are_means_over_these(study):
    several = with_record(with_effects(study, touched=lambda effects: 2 * touching(effects)), lambda record: record["asked"].update(edit_steps=[0, 1]))
    fact = facts_of(several)["Moved"]
    assert fact.value == "2.5 tokens of 16" and fact.note.startswith("mean over dates and edited steps; ")


def test_too_little_exposure_says_so_and_what_was_moved(study):
    found = meaning(with_effects(study, touched=touching), "no exposure")
    assert "less than 5 % of their own 99th percentile" in found
    assert found.endswith("The edit moved 2.5 tokens of 16.") and "nothing was tested" not in found


def test_what_is_not_known_says_why_and_has_no_unit(study):
    unchanged = with_effects(study, d2=lambda effects: effects["d2"].where(effects["date"] != DATES[1], 0.0), size=lambda effects: effects["size"].where(effects["date"] != DATES[1], 0.0))
    found = facts_of(unchanged, on_target=None, collateral=None, slope=None, antisymmetry=None)
    for name in ("On target", "Collateral"):
        assert found[name].value == f"not known: nothing changed on {DATES[1]}"
    assert found["Slope"].value == found["Antisymmetry"].value == "not known"
    broken = with_effects(study, d2=lambda effects: effects["d2"].where(effects["date"] != DATES[0]))
    assert facts_of(broken, on_target=None)["On target"].value == f"not known: no finite forecast on {DATES[0]}"
    assert with_unit(None, "Pa") == with_unit(float("nan"), "Pa") == "not known" and with_unit(0.0, "Pa") == "0 Pa"


@pytest.mark.parametrize("word", ["within floor", "no exposure", "effect", "not beyond controls"])
def test_what_says_nothing_is_grey(study, word):
    found = facts_of(study, word=word)
    is_moot = word in ("within floor", "no exposure")
    for name in ("Antisymmetry", "Linear to"):
        assert found[name].is_moot == is_moot and found[name].note.startswith("says nothing") == is_moot
    assert not any(fact.is_moot for name, fact in found.items() if name not in ("Antisymmetry", "Linear to"))


@pytest.mark.parametrize(("n", "is_interval"), [(1, False), (4, False), (5, True)])
def test_dates_stand_in_place_of_an_interval_of_few_clusters(study, tmp_path, n, is_interval):
    found = facts_of(study, n_clusters=n, interval=[0.5, 1.5])
    assert ("95 % interval" in found, "By date" in found) == (is_interval, not is_interval)
    if not is_interval:
        rows = study.tables["effects"].query("outcome == 'warmth' and arm == 'feature_1'").set_index("date")["effect"]
        assert found["By date"].value == "; ".join(f"{date}: {number(rows[date])} clean tendencies" for date in DATES)
    plain, other = (with_record(study, lambda record, verdict=verdict: record["outcomes"]["warmth"].update(verdict)) for verdict in (
        {"interval": None, "n_clusters": n}, {"interval": [0.0, 1e-3], "n_clusters": n}))
    for name, each in (("plain.png", plain), ("other.png", other)):
        draw_arms(each, "warmth", tmp_path / name)
    assert ((tmp_path / "plain.png").read_bytes() != (tmp_path / "other.png").read_bytes()) == is_interval


def test_of_many_dates_the_ends_are_named():
    numbers = {f"2022-06-{day:02d}": float((day - 3) ** 2) for day in range(1, 9)}
    found = by_date({date: f"{value:g} Pa" for date, value in numbers.items()}, numbers)
    assert found == "from 0 Pa (2022-06-03) to 25 Pa (2022-06-08); effects.parquet has all 8 dates"
