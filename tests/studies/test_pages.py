"""A finished study as pictures and a page: its own numbers, no more, and nothing that a name could break."""

import dataclasses
import itertools
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from aurorascope.figures.study import draw_study_pictures
from aurorascope.figures.study_doses import draw_doses
from aurorascope.figures.study_maps import MOST_DATES, _averaged
from aurorascope.pages.study_facts import facts, meaning
from aurorascope.pages.study_index import write_study_index
from aurorascope.pages.study_page import write_study_page
from aurorascope.studies.finished import read_finished
from aurorascope.studies.verdict import WORDS
from aurorascope.studies.wording import number, unit_of

from tests.pages.chromium import NARROW, WIDE, Browser
from tests.pages.test_html import Parsed
from tests.studies import folder
from tests.studies.drawing import draw, results_like, with_record, words

HOSTILE = "</script><img src=x onerror=alert(1)>\"'& $\\frac{"


@pytest.fixture(scope="module")
def drawn(small, finished_study, tmp_path_factory):
    """Results with the finished study's page, and with one that has no page."""
    results = results_like(small, tmp_path_factory.mktemp("drawn"))
    shutil.copytree(results / "studies" / finished_study, results / "studies" / "pageless")
    for name in ("map_old.png", "map_old.csv", "notes.txt"):
        (results / "studies" / finished_study / name).write_text("old")
    draw(results, finished_study)
    return results


@pytest.fixture(scope="module")
def study(drawn, finished_study):
    return read_finished(drawn, finished_study)


@pytest.fixture(scope="module")
def page(study):
    return Parsed((study.folder / "index.html").read_text())


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_finer_grids_are_averaged_over_squares(factor):
    change_yx = np.random.default_rng(0).standard_normal((7, 8))
    found = _averaged(change_yx, factor)
    for y, x in np.ndindex(found.shape):
        assert found[y, x] == pytest.approx(change_yx[factor * y : factor * (y + 1), factor * x : factor * (x + 1)].mean(), rel=1e-12)


def test_tables_beside_pictures_are_the_records_numbers(study):
    for at, (_asked, verdict) in enumerate(study.outcomes):
        doses = pd.read_csv(study.folder / f"doses_{at}.csv")
        assert doses["effect"].tolist() == [row["effect"] for row in verdict["doses"]] and doses["size"].tolist() == [row["norms_mean"] for row in verdict["doses"]]
        assert doses["dose"][doses["is_linear"]].abs().max() == verdict["linear_to_dose"]
        arms = pd.read_csv(study.folder / f"arms_{at}.csv").set_index("arm")
        assert arms.loc["feature_1", "effect"] == verdict["effect"]
        assert arms["sets_the_bar"].sum() == verdict["n_controls"] + verdict["n_directions"] == 4
        assert np.sort(arms["effect"][arms["sets_the_bar"]].abs())[-1] == verdict["controls_95"]


def test_maps_are_those_of_the_file(study):
    pictures = {path.stem for path in study.folder.glob("map_*.png")}
    assert pictures == {f"map_{field}{end}" for field in ("t_850", "msl") for end in ("", *(f"_{date}" for date in folder.DATES))}
    with xr.open_dataset(study.folder / "fields.nc") as maps:
        for field in ("t_850", "msl"):
            mean = pd.read_csv(study.folder / f"map_{field}.csv")
            assert np.allclose(mean["change"], maps[field].values.astype(float).mean(axis=0).ravel(), rtol=1e-12)
            for at, date in enumerate(folder.DATES):
                one = pd.read_csv(study.folder / f"map_{field}_{date}.csv")
                assert np.array_equal(one["change"].astype(np.float32), maps[field].values[at].ravel())
                assert np.array_equal(one["lat"], np.repeat(maps.latitude, 36)) and np.array_equal(one["lon"], np.tile(maps.longitude, 18))


def test_a_date_that_diverged_has_no_map_and_many_dates_have_six(drawn, study, tmp_path):
    n = MOST_DATES + 2
    maps = study.maps[["msl"]].isel(date=[0] * n).copy(deep=True)
    maps["msl"].values[1] = np.nan
    dates = [f"2022-06-{day:02d}" for day in range(1, n + 1)]
    several = dataclasses.replace(with_record(study, lambda record: record.update(dates=dates, asked=record["asked"] | {"region": None})), maps=maps, folder=tmp_path)
    found = draw_study_pictures(several, drawn).maps
    assert [each.date for each in found] == [None, *(date for date in dates[: MOST_DATES + 1] if date != dates[1])]
    assert found[0].n_dates == n - 1
    y, x = np.unravel_index(np.abs(maps["msl"].values[0]).argmax(), (18, 36))
    assert found[0].at == (maps.latitude.values[y], maps.longitude.values[x]) and found[0].largest == pytest.approx(maps["msl"].values[0, y, x], rel=1e-6)


def test_a_study_whose_forecasts_diverged_has_a_page(drawn, study, tmp_path):
    """Without numbers of the edit and without maps; its controls are shown all the same."""
    def diverge(record):
        record.update(word="diverged_at_step", diverged_at_step={"feature_1": 1})
        for verdict in record["outcomes"].values():
            verdict |= dict.fromkeys(("effect", "slope", "antisymmetry", "on_target", "collateral", "interval"))
            verdict |= {"word": "diverged_at_step", "doses": [row | {"effect": None} for row in verdict["doses"]], "linear_to_dose": 0.0}

    effects = study.tables["effects"]
    effects = effects.assign(effect=effects["effect"].where(~effects["kind"].isin(("feature", "minus_feature"))))
    maps = study.maps.drop_vars(list(study.maps.data_vars))
    broken = dataclasses.replace(with_record(study, diverge), folder=tmp_path, tables=study.tables | {"effects": effects}, maps=maps)
    pictures = draw_study_pictures(broken, drawn)
    write_study_page(broken, pictures, drawn)
    text = words(Parsed((tmp_path / "index.html").read_text()))
    assert pictures.maps == () and "no forecast with the change was finite" in text and "feature_1 at step 1" in text
    arms = pd.read_csv(tmp_path / "arms_0.csv")
    assert arms["effect"].isna().tolist() == arms["kind"].isin(("feature", "minus_feature")).tolist() and "Effect not known" in text


def test_twice_gives_the_same_picture(study, tmp_path):
    for name in ("one.png", "two.png"):
        draw_doses(study, "low", tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes() == (study.folder / "doses_1.png").read_bytes()


def test_old_pictures_go_and_other_files_stay(study):
    assert not list(study.folder.glob("map_old.*")) and (study.folder / "notes.txt").read_text() == "old"


def test_the_page_has_the_words_and_numbers_of_the_record(study, page):
    text = words(page)
    assert ("strong", study.record["word"]) in page.texts
    for asked, verdict in study.outcomes:
        unit = unit_of(asked)
        for key in ("effect", "floor", "slope"):
            assert f"{number(verdict[key])} {unit}" in text, key
        assert f"± {number(verdict['controls_95'])} {unit}" in text and f"{number(verdict['p'])} (no unit)" in text
        assert f"{number(verdict['antisymmetry'])} (no unit)" in text and f"{number(100 * verdict['on_target'])} %" in text
        assert f"({number(verdict['linear_to_norms'])} norms of the token)" in text and f"{number(verdict['collateral'])} clean tendencies by" in text
        assert meaning(study, verdict["word"]) in text
    assert "Exploratory: 2 clusters" in text and "placebo" in text and "the edit asks for none" in text
    assert f"feature {study.record['features'][0][0]} of block {folder.BLOCK} is set to 0.5 where on, from 60° S to 60° N" in text
    assert f"there was none of {folder.BLOCK}" in text and "within 4000 km of 30° N, 160° W" in text


def test_the_page_shows_exposures_and_divergence(study, page):
    text, table = words(page), study.tables["divergence"]
    for each in study.record["controls"]:
        assert number(each["exposure"][0]) in text
    assert f"{len(table.groupby(['variable', 'level'], dropna=False))} fields" in text
    edited = table[(table.arm == "feature_1") & (table.variable == "t") & (table.level == 850)]["d2"].to_numpy()
    assert number(float(edited.mean())) in text and "temperature at 850 hPa" in text


def test_every_word_has_a_meaning_and_what_is_not_known_says_so(study):
    changed = with_record(study, lambda record: record["asked"].update(perturb=[]))
    assert len({meaning(each, word) for word in WORDS for each in (study, changed)}) == len(WORDS) + 1
    asked, verdict = study.outcomes[0]
    empty = verdict | {"effect": None, "controls_95": None, "interval": None, "on_target": None, "collateral": None, "slope": None, "antisymmetry": None}
    assert sum("not known" in fact.value for fact in facts(study, asked, empty)) == 6


def test_the_page_is_whole_and_asks_for_nothing_outside(drawn, study, page):
    for path in (study.folder / "index.html", drawn / "studies" / "index.html"):
        parsed = Parsed(path.read_text())
        ids = [attributes["id"] for _, attributes, _ in parsed.elements if "id" in attributes]
        assert len(ids) == len(set(ids)) and {each["aria-labelledby"] for _, each, _ in parsed.elements if "aria-labelledby" in each} <= set(ids)
        steps = [int(tag[1]) for tag, _, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
        assert steps[0] == 1 and all(b - a <= 1 for a, b in itertools.pairwise(steps))
        assert not parsed.all("script") and not [each for _, each, _ in parsed.elements if "style" in each or any(name.startswith("on") for name in each)]
        (policy,) = [each["content"] for each in parsed.all("meta") if "default-src" in each.get("content", "")]
        assert policy.startswith("default-src 'none'") and "script" not in policy and "http" not in policy
        for tag, attributes, _ in parsed.elements:
            assert tag != "img" or len(attributes["alt"]) > 20
            for name in ("src", "href"):
                address = attributes.get(name, "data:,")
                assert address == "data:," or address.startswith("#") or (path.parent / address).is_file(), address


def test_names_are_text_on_page_and_pictures(study, page, drawn, tmp_path):
    """YAML takes a name of digits for a number, which is a name all the same."""
    names = {"warmth": 5, "low": HOSTILE}

    def rename(record):
        for asked in record["asked"]["outcomes"]:
            asked["name"] = names[asked["name"]]
        record["outcomes"] = {str(names[old]): verdict for old, verdict in record["outcomes"].items()}

    called = {old: str(name) for old, name in names.items()}
    renamed = dataclasses.replace(
        with_record(study, rename), folder=tmp_path, tables=study.tables | {"effects": study.tables["effects"].replace({"outcome": called})},
    )
    write_study_page(renamed, draw_study_pictures(renamed, drawn), drawn)
    parsed = Parsed((tmp_path / "index.html").read_text())
    assert [tag for tag, *_ in parsed.elements] == [tag for tag, *_ in page.elements]
    assert all(f"{name}: {study.record['outcomes'][old]['word']}" in words(parsed) for old, name in names.items())


def test_links_lead_to_an_atlas_that_is_there(study, page, drawn, small, tmp_path):
    assert not any("atlas" in each.get("href", "") for each in page.all("a"))
    results = results_like(small, tmp_path)
    (results / "atlas").mkdir()
    for name in ("index", folder.BLOCK):
        (results / "atlas" / f"{name}.html").write_text("")
    draw(results, study.name)
    links = {each["href"] for each in Parsed((results / "studies" / study.name / "index.html").read_text()).all("a")}
    place = f"../../atlas/{folder.BLOCK}.html"
    assert {"../index.html", "../../atlas/index.html", place, f"{place}#feature={study.record['features'][0][0]}"} <= links


def test_the_list_has_every_study_and_says_what_it_cannot_read(drawn, study, small, tmp_path):
    text = words(Parsed((drawn / "studies/index.html").read_text()))
    verdict = study.record["outcomes"]["warmth"]
    for words_of in ("pageless (no page yet)", study.record["word"], f"{number(verdict['effect'])} clean tendencies", f"± {number(verdict['controls_95'])}"):
        assert words_of in text
    assert "cannot be read" not in text
    results = results_like(small, tmp_path)
    for name, content in (("broken", "{"), ("empty", json.dumps({"kind": "study"}))):
        (results / "studies" / name).mkdir()
        (results / "studies" / name / "record.json").write_text(content)
    shutil.copytree(results / "studies" / study.name, results / "studies" / "edited")
    edited = results / "studies" / "edited" / "record.json"
    edited.write_text(json.dumps(study.record | {"word": "not beyond controls" if study.record["word"] == "effect" else "effect"}))
    write_study_index(results)
    assert "Records that cannot be read, or say other than their effects: broken, edited, empty." in words(Parsed((results / "studies/index.html").read_text()))


@pytest.mark.slow
def test_pages_open_from_files_and_fit_the_screen(drawn, study):
    """Nothing but files is asked for, the console is silent, and nothing scrolls sideways with all open; tables take the keyboard."""
    browser = Browser()
    try:
        for name, path in (("study", study.folder / "index.html"), ("studies", drawn / "studies" / "index.html")):
            for size, dark in itertools.product((WIDE, NARROW), (False, True)):
                browser.size(size, dark)
                browser.open(path)
                browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
                assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
                assert browser.run("return [...document.images].every((each) => each.complete && each.naturalWidth > 0)")
                browser.shoot(f"{name}-{'narrow' if size == NARROW else 'wide'}{'-dark' if dark else ''}")
        browser.open(study.folder / "index.html")
        from selenium.webdriver.common.keys import Keys

        browser.press(Keys.TAB)
        assert browser.run("return document.activeElement.className") == "skip"
        browser.press(Keys.ENTER)
        assert browser.run("return document.activeElement.id") == "main"
        assert browser.run("return [...document.querySelectorAll('.scrolls, pre, a, summary')].every((each) => each.tabIndex === 0)")
        assert browser.complaints() == []
        assert {address.split(":")[0] for address in browser.asked()} <= {"file", "about", "data"}
    finally:
        browser.driver.quit()
