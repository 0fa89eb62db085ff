"""The page of a study of changed inputs, from what such a study finds: parts, reach and responding features.

The study is put together as its files would be read again. It runs where studies of changed inputs are part of the library.
"""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from aurorascope.blocks import BLOCK_IDS, BY_ID
from aurorascope.figures.study import draw_study_pictures
from aurorascope.pages.study_page import write_study_page
from aurorascope.perturbations.inputs import Inputs
from aurorascope.studies.finished import read_finished
from aurorascope.studies.outline import outlined_cells
from aurorascope.studies.wording import change_words, number
from aurorascope.studies.write import maps_dataset

from tests.backbone import small as backbone
from tests.interventions.linear import sae_of
from tests.pages.test_html import Parsed
from tests.studies.drawing import results_like, words

input_run = pytest.importorskip("aurorascope.studies.input_run")
input_study = pytest.importorskip("aurorascope.studies.input_study")
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

BLOCK, DATES = "encoder_s1_b4", ["2022-06-01", "2022-06-13"]
ASKED = {
    "perturb": [{"scale": {"variables": ["co", "pm10"], "factor": 1.5, "region": {"disk": [30.0, 100.0, 4000.0], "taper_km": 2000.0}}}],
    "dates": DATES, "n_controls": 2, "blocks": [BLOCK],
    "outcomes": [{"kind": "linear", "name": "smoke", "variable": "co", "level": 850, "region": {"disk": [30.0, 100.0, 5000.0]}}],
}


@pytest.fixture(scope="module")
def drawn(small, finished_study, tmp_path_factory):
    """A results folder, the study, and its page."""
    results = results_like(small, tmp_path_factory.mktemp("changed"))
    inputs, static = {}, backbone.small_states()[1]
    for at, date in enumerate(DATES):
        states = [state.map(lambda each, at=at: (each * (1 + at / 50)).astype(each.dtype)) for state in backbone.small_states()[0]]
        inputs[date] = Inputs(*states, f"{date}T12:00:00Z", static)
    saes = {BLOCK: sae_of("topk", width=BY_ID[BLOCK].width(16))}
    found = input_run.run_input_study(input_study.read_input_study({"name": "smoke", **ASKED}), backbone.small_model(), saes, inputs)
    lat, lon = inputs[DATES[0]].lat, inputs[DATES[0]].lon
    parts = {part: {date: each[part] for date, each in found.maps.items()} for part in ("total", "carry", "backbone")}
    other = read_finished(results, finished_study)
    record = {
        **json.loads(json.dumps(found.summary)), "asked": ASKED, "hour": 12, "quiet_dates": [], "static_sha256": other.record["static_sha256"],
        "labels_sha256": {}, "files": {},
    }
    tables = {"effects": found.effects, "responses": found.responses, "reach": found.reach, "rings": found.rings}
    place = results / "studies" / "smoke"
    place.mkdir()
    maps = maps_dataset("smoke", DATES, parts, lat, lon).load()
    study = dataclasses.replace(other, name="smoke", folder=place, record=record, tables=tables, maps=maps)
    (results / "atlas").mkdir()
    (results / "atlas" / f"{BLOCK}.html").write_text("")
    write_study_page(study, draw_study_pictures(study, results), results)
    return results, study, Parsed((place / "index.html").read_text())


def test_the_parts_stand_beside_the_whole_and_sum_to_it(drawn):
    _, study, page = drawn
    names = ("map_co_850", "map_co_850_carry", "map_co_850_backbone")
    assert [each["src"].removesuffix(".png") for each in page.all("img") if each["src"].startswith("map_")][:3] == list(names)
    total, carry, backbone_part = (pd.read_csv(study.folder / f"{name}.csv")["change"] for name in names)
    assert np.abs(total).max() > 0 and np.allclose(total, carry + backbone_part, atol=1e-6 * np.abs(total).max())
    parts = study.record["outcomes"]["smoke"]["parts"]
    for name in ("carry", "backbone"):
        assert f"{number(parts[name])} clean tendencies ({number(100 * parts[f'{name}_share'])} % of the effect)" in words(page)


def test_the_question_and_what_was_said_are_in_words(drawn):
    _, study, page = drawn
    assert "If in Aurora's input carbon monoxide and particulate matter 10 µm are multiplied by 1.5, within 4000 km of 30° N, 100° E" in words(page)
    assert study.record["said"] and all(line in words(page) for line in study.record["said"])
    assert study.record["word"] in words(page) and "The edit" not in words(page)


def test_the_reach_is_of_all_blocks(drawn):
    _, study, page = drawn
    table = pd.read_csv(study.folder / "reach.csv")
    assert table["block"].tolist() == list(BLOCK_IDS) and "reach.png" in {each["src"] for each in page.all("img")}
    mean = study.tables["reach"].query("block == @BLOCK")
    expected = (mean["rms_change"] / mean["spread"]).mean()
    assert table.loc[table["block"] == BLOCK, "relative"].item() == pytest.approx(expected, rel=1e-12)


def test_responding_features_lead_to_their_block(drawn):
    _, study, page = drawn
    table = study.tables["responses"]
    shown = table[table["beyond_controls"]] if table["beyond_controls"].any() else table
    first = shown.loc[shown["change"].abs().idxmax()]
    assert f"../../atlas/{BLOCK}.html#feature={first['feature']}" in {each["href"] for each in page.all("a")}
    assert number(float(first["change"])) in words(page)


def test_the_outline_is_where_something_changes(drawn):
    results, study, _ = drawn
    with xr.open_dataset(results / "scratch/static/static.nc", engine="scipy") as static:
        found = outlined_cells(study, results, static.latitude.values, static.longitude.values)
    assert set(found) == set(DATES) and 0 < found[DATES[0]].mean() < 0.2
    assert number(study.record["sizes"]["change_1"]) in words(drawn[2])


def test_every_kind_of_change_has_words():
    changes = pytest.importorskip("aurorascope.studies.input_changes")
    for kind in changes.kinds():
        keys = {"variables": ["co", "t"], "factor": 2, "kg": 1, "amplitude": 0.5, "region": {"band": [-10, 10]}}
        assert change_words({kind: keys}).endswith("from 10° S to 10° N")
