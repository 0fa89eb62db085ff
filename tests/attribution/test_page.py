"""A finished outcome as a page and a picture: its own numbers, and nothing that a name could break."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
from aurorascope.attribution.agreement import strongest
from aurorascope.attribution.checks import Checked
from aurorascope.attribution.entries import Coding
from aurorascope.attribution.finished import read_finished
from aurorascope.attribution.outcome_file import RULES
from aurorascope.attribution.parts import Effects
from aurorascope.attribution.projection import Projected
from aurorascope.attribution.record import summary_of, table_of
from aurorascope.attribution.write import write_attribution
from aurorascope.errors import UserError
from aurorascope.figures.attribution import depth_table, draw_attribution
from aurorascope.files import sha256_file, write_json, write_table
from aurorascope.pages.attribution_page import _RULES, write_attribution_page

from tests.pages.chromium import NARROW, WIDE, Browser
from tests.pages.test_html import Parsed
from tests.studies.drawing import words

BLOCKS = ("encoder_s0_b0", "decoder_s2_b5")
SAME = {
    "kind": "attribution", "outcome": "jet", "asked": {"variable": "u", "level": 250, "region": {"label": "jet"}, "dates": ["2022-06-20"]},
    "hour": 12, "dates": ["2022-06-20"], "quiet_dates": ["2022-06-01"], "rule": "midpoint", "points": 4, "checkpoint_sha256": "c", "states_sha256": {},
}


def write(results, block, scale, exact=(), **changes):
    """Ten features with two signs each, the strongest first, of which some were ablated; the error has an eighth of the first, against it."""
    effect_f, date, exact_k = scale * 0.5 ** np.arange(20.0) * (-1) ** np.arange(20), SAME["dates"][0], np.array(exact, np.float64)
    projected = Projected(effect_f, float(effect_f.sum()) - scale / 8, np.arange(20), np.arange(20.0), 20)
    effects, checks = {date: Effects(projected, 1.0, 0.0)}, {date: Checked(exact_k, np.nan, 1.0, 0.0)} if exact else {}
    features = strongest(effect_f, len(exact))
    coding = Coding(10, signed=True)
    content = {**SAME, "block": block, "sae_sha256": block, **summary_of(SAME["dates"], effects, features, checks), **changes}
    write_attribution(results, content, table_of(coding, SAME["dates"], effects, features, checks))


@pytest.fixture
def results(tmp_path):
    write(tmp_path, BLOCKS[0], 0.4, exact=(0.4, -0.2, 2))
    write(tmp_path, BLOCKS[1], 0.1)
    return tmp_path


def draw(results, blocks=BLOCKS):
    outcome = read_finished(results, "jet", blocks)
    write_attribution_page(outcome, draw_attribution(outcome), results)
    return Parsed((outcome.folder / "index.html").read_text())


def test_the_page_has_the_numbers_of_the_records(results):
    text = words(draw(results))
    assert "Which features carry the mean by area of" in text and "at 250 hPa where the label jet holds" in text
    assert "gradient not trusted: 1 of 2 blocks" in text and "not checked: 1 of 2 blocks" in text and "middles of 4 equal parts" in text
    # Strongest first, over blocks: 0.4, -0.2, then 0.1 twice.
    assert text.index("0.4 0.4") < text.index("−0.2 −0.2") < text.index("1 0.1 2 10 gradient not trusted") < text.index("0 0.1 0 not checked")
    assert "The 40 largest of 40 effects" in text and "1 (negative)" in text
    assert "encoder_s0_b0 0.8 0.267 −0.05 0.264 1.9 1 says nothing gradient not trusted" in text
    assert "decoder_s2_b5 0.2 0.0667 −0.0125 says nothing says nothing says nothing says nothing not checked" in text


def test_the_picture_is_the_records_numbers(results):
    draw(results)
    table = pd.read_csv(results / "attribution/jet/depth.csv")
    assert table["block"].tolist() == list(BLOCKS) and table["depth"].tolist() == [0, 47] and table["absolute"].round(5).tolist() == [0.8, 0.2]
    assert table["correlation"].isna().tolist() == [False, True]
    outcome = read_finished(results, "jet", BLOCKS)
    assert depth_table(outcome)["error"].round(9).tolist() == [-0.05, -0.0125]


def atlas(results, block, sae_sha256, verdict="calibrated"):
    """As much of an atlas as the page reads: one labelled feature."""
    folder = results / "atlas" / block
    write_table(folder / "features.parquet", pd.DataFrame({"feature": [0, 0], "sign": [1, -1], "label": ["storm", ""]}))
    write_json(folder / "summary.json", {
        "kind": "atlas", "sae_sha256": sae_sha256, "verdict": verdict, "features_sha256": sha256_file(folder / "features.parquet"),
    })
    (results / "atlas" / f"{block}.html").write_text("")


@pytest.mark.parametrize(("sae", "verdict", "is_named"), [(BLOCKS[0], "calibrated", True), ("other", "calibrated", False), (BLOCKS[0], "uncalibrated", False)])
def test_features_are_named_and_linked_where_their_atlas_is_there(results, sae, verdict, is_named):
    """By labels of the same SAE's atlas, if its gate lets them be shown."""
    atlas(results, BLOCKS[0], sae, verdict)
    page = draw(results)
    links = {attributes.get("href") for tag, attributes, _ in page.elements if tag == "a"}
    assert f"../../atlas/{BLOCKS[0]}.html#feature=0&sign=-1" in links and not any(BLOCKS[1] in str(link) for link in links)
    assert ("storm" in words(page)) == is_named


def test_what_does_not_belong_together_is_not_shown(results):
    """Another question, a damaged table, a block without a record."""
    write(results, BLOCKS[1], 0.1, hour=0)
    with pytest.raises(UserError, match=rf"{BLOCKS[1]}.json: expected the same hour as in {BLOCKS[0]}.json"):
        draw(results)
    write(results, BLOCKS[1], 0.1, word="trusted")
    with pytest.raises(UserError, match=rf"{BLOCKS[1]}.json: expected word: not checked, which its table gives, found trusted"):
        draw(results)
    table = results / f"attribution/jet/{BLOCKS[0]}.parquet"
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    with pytest.raises(UserError, match="parquet"):
        draw(results, BLOCKS[:1])
    with pytest.raises(UserError, match="encoder_s0_b1"):
        draw(results, ["encoder_s0_b1"])


def test_names_are_text(results):
    """Whatever stands in an outcome's region, of which a label of one's own has a name."""
    for block in BLOCKS:
        path = results / f"attribution/jet/{block}.json"
        record = json.loads(path.read_text())
        record["asked"]["region"] = {"label": "<img src=x onerror=alert(1)>"}
        write_json(path, record)
    page = draw(results)
    assert "<img src=x" in words(page) and not any(attributes.get("onerror") for _, attributes, _ in page.elements)


def test_it_can_be_read_on_a_phone(results):
    draw(results)
    browser = Browser()
    try:
        for size, dark in itertools.product((WIDE, NARROW), (False, True)):
            browser.size(size, dark)
            browser.open(results / "attribution/jet/index.html")
            browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
            assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
            assert browser.run("return [...document.images].every((each) => each.complete && each.naturalWidth > 0)")
        assert browser.complaints() == []
    finally:
        browser.driver.quit()


def test_every_rule_has_words():
    assert set(_RULES) == set(RULES)
