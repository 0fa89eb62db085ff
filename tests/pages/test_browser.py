"""Pages in a real Chromium, from files: what a reader does with them, by mouse and by keyboard, wide and narrow."""

import dataclasses
import shutil

import pandas as pd
import pytest
from aurorascope.pages.block_page import write_block_page
from aurorascope.pages.read import read_seeds

from tests.atlas.seeds import BOTH, DEAD, SHA, write_comparison
from tests.pages.built import BLOCKS
from tests.pages.chromium import NARROW, WIDE, Browser
from tests.pages.conftest import HOSTILE
from tests.pages.large import N, large_atlas

pytestmark = pytest.mark.slow
ONE, OTHER = BLOCKS
COUNTED, LARGE = "encoder_s0_b4", "encoder_s0_b5"

LISTED = "[...document.querySelectorAll('#table tbody tr')].map((row) => row.firstChild.textContent)"
CELLS = "[...document.querySelectorAll('#table tbody tr')].map((row) => row.children[arguments[0]].textContent)"
FOCUSED = "document.activeElement"


@pytest.fixture(scope="module")
def browser():
    found = Browser()
    yield found
    found.driver.quit()


@pytest.fixture(autouse=True)
def quiet(browser):
    """Whatever a test does, the console stays silent and nothing but files is asked for."""
    browser.size(WIDE)
    browser.complaints(), browser.asked()
    yield
    assert browser.complaints() == []
    asked = browser.asked()
    assert asked and {url.split(":")[0] for url in asked} <= {"file", "about", "data"}, asked


@pytest.fixture
def block(browser, built):
    browser.open(built.folder / f"{ONE}.html")
    browser.wait("document.querySelectorAll('#table tbody tr').length")
    return browser


@pytest.fixture
def features(built):
    return built.atlases[ONE].tables["features"]


def listed(browser, count):
    """Features in the table, once it says how many there are."""
    browser.wait("document.getElementById('count').textContent.startsWith(arguments[0] + ' of')", str(count))
    return [int(text) for text in browser.run(f"return {LISTED}")]


def test_search_by_label_name_and_number(block, features):
    alive = features[features["density"] > 0]
    assert len(listed(block, len(alive))) == len(alive) < 50
    (storm,) = features["feature"][features["label"] == "storm"].tolist()
    # By its label, and by its best label where it has none.
    storms = features["feature"][(features["top_label"] == "storm") & (features["density"] > 0)].tolist()
    assert storm in storms and len(storms) > 1
    block.type_into("#search", "STORM")
    assert block.wait(f"JSON.stringify([...{LISTED}].sort()) === JSON.stringify(arguments[0])", sorted(str(each) for each in storms))
    for text, wanted in (("noise", [12]), ("7", [7]), ("no such thing", []), ("alert('<&>", [0])):
        block.type_into("#search", text)
        assert block.wait(f"JSON.stringify({LISTED}) === JSON.stringify(arguments[0])", [str(each) for each in wanted])


@pytest.mark.parametrize("control, value, wanted", [
    ("#alive", "never", lambda each: each["density"] == 0),
    ("#label", "belt", lambda each: each["label"] == "belt"),
    ("#label", "*", lambda each: each["label"] != ""),
    ("#verdicts", "unlabelled", lambda each: each["verdict"] == "unlabelled"),
    ("#badge", "dense", lambda each: "dense" in each["badges"].split(",")),
    ("#badge", "-", lambda each: each["badges"] == ""),
    ("#density-from", "10", lambda each: each["density"] >= 0.1),
    ("#density-to", "3.0", lambda each: each["density"] <= 0.03),
])
def test_filters_list_what_they_say(block, features, control, value, wanted):
    if control == "#alive":
        block.choose(control, value)
    else:
        block.choose("#alive", "alive")
        block.choose(control, value)
    is_wanted = features.apply(wanted, axis=1) & ((features["density"] > 0) | (control == "#alive"))
    assert sorted(listed(block, is_wanted.sum()))[:50] == features["feature"][is_wanted].tolist()[:50] and is_wanted.any()
    block.click("#filters button[type=reset]")
    listed(block, len(features))


def test_on_is_what_the_page_counts(browser, built):
    """A feature that is on only on dates that choose nothing has a strength and no density: it is counted and listed as never on."""
    atlas = built.atlases[ONE]
    table, summary = atlas.tables["features"].copy(), dict(atlas.summary)
    table.loc[table["density"].idxmax(), ["density", "verdict", "label", "reason"]] = [0.0, "never on", "", "never on"]
    summary["n_alive"] = n_alive = int((table["density"] > 0).sum())
    one = dataclasses.replace(atlas, block_id=COUNTED, tables={**atlas.tables, "features": table}, summary=summary)
    write_block_page(built.folder, one, built.grid, built.near[ONE], [*BLOCKS, COUNTED])
    browser.open(built.folder / f"{COUNTED}.html")
    assert f"of which {n_alive} are on for some token of the dates that labels were chosen on" in browser.run("return document.body.innerText")
    listed(browser, n_alive)
    browser.choose("#alive", "never")
    listed(browser, len(table) - n_alive)


def test_the_level_is_that_of_the_strongest_token(block, built, features):
    examples = built.atlases[ONE].tables["examples"]
    first = examples[(examples["rank"] == 0) & (examples["level"] == "surface")]
    block.choose("#level", "surface")
    assert sorted(listed(block, len(first))) == first["feature"].tolist() != []


def test_columns_sort_either_way(block, features):
    """A button of a head, and the choice of an order, which says the same."""
    alive = features[features["density"] > 0]
    for way, falls in (("descending", True), ("ascending", False)):
        block.run("[...document.querySelectorAll('#table thead button')].find((each) => each.textContent.startsWith('Density')).click()")
        (head,) = block.run("return [...document.querySelectorAll('#table [aria-sort]')].map((each) => [each.textContent, each.getAttribute('aria-sort')])")
        assert head[0].startswith("Density") and head[1] == way
        expected = alive.sort_values("density", ascending=not falls, kind="stable")["density"].tolist()
        shown = [features["density"][feature] for feature in listed(block, len(alive))]
        assert shown == pytest.approx(expected, rel=1e-3)
        assert block.run("return document.getElementById('sort').value") == f"density {'falls' if falls else 'rises'}"
    block.choose("#sort", "label rises")
    labels = block.run(f"return {CELLS}", 1)
    assert labels[:3] == sorted(labels[:3]) and "belt" in labels[:3] and set(labels[3:]) == {"–"}


def test_a_feature_has_scores_maps_values_examples_and_neighbours(block, built):
    """Opened from the table: all parts are there, maps are drawn, the weather comes when it is asked for."""
    block.click("#table a[data-row='0']")
    block.wait("document.getElementById('feature-heading')?.textContent.startsWith('Feature 0: storm')")
    assert block.run("return location.hash") == "#feature=0" and block.run(f"return {FOCUSED}.id") == "feature-heading"
    assert block.run("return document.getElementById('feature-heading').textContent") == f"Feature 0: storm, “{HOSTILE}”"
    words = block.run("return document.getElementById('feature').innerText")
    assert "Found by other seeds" not in words
    for part in ("Tokens that two dates share", "Base rate", "Against shifts in longitude", "Against other dates", "Gain over the best baseline", "Mean at each position", "Values",
                 "Where it is strongest", "In other blocks", "Snakemake also takes the --configfile", "rm -f results/atlas/encoder_s0_b0/summary.json", "features={chosen: [0]}", "h_new[on, 0] *= 2"):
        assert part in words, part
    drawn = block.run(
        "return [...document.querySelectorAll('#feature canvas')].map((canvas) => { const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;"
        "return [canvas.getAttribute('aria-label'), new Set(new Uint32Array(data.buffer)).size] })"
    )
    assert len(drawn) == 9 and all(label and colours > 5 for label, colours in drawn)
    block.click("#feature .examples button")
    block.wait("document.querySelectorAll('#feature .examples canvas').length === 6")
    assert block.run("return document.querySelector('#feature .examples button').getAttribute('aria-expanded')") == "true"
    assert "hPa there" in block.run("return document.querySelector('#feature .examples li').innerText")
    block.shoot("feature-wide")


def test_a_feature_says_how_many_other_seeds_found_it(browser, built, tmp_path):
    """Where its block was compared with other seeds; the badge is one to filter by."""
    folder = tmp_path / "atlas"
    shutil.copytree(built.folder, folder)
    write_comparison(tmp_path, ONE)
    atlas = dataclasses.replace(built.atlases[ONE], summary={**built.atlases[ONE].summary, "sae_sha256": SHA})
    write_block_page(folder, read_seeds(atlas, tmp_path), built.grid, built.near[ONE], list(built.atlases))
    browser.open(folder / f"{ONE}.html", "#feature=0")
    words = browser.wait("document.querySelector('#feature dl')?.innerText")
    assert "Found by other seeds\n2 of 2, cosine 1 at most" in words and "seed_match" in words
    browser.choose("#badge", "seed_match")
    features = atlas.tables["features"]
    kept = features[(features["density"] > 0) & (features["feature"] < BOTH) & (features["feature"] != DEAD)]
    assert sorted(listed(browser, len(kept))) == kept["feature"].tolist()


def test_features_of_other_stages_are_listed_and_linked(browser, built, tmp_path):
    """Below those of its own stage, with the correlation; a feature without any has no such table."""
    folder = tmp_path / "atlas"
    shutil.copytree(built.folder, folder)
    matched = pd.DataFrame({"feature": [0], "block": ["encoder_s1_b2"], "near": [9], "correlation": [0.8125]})
    write_block_page(folder, built.atlases[ONE], built.grid, built.near[ONE], list(built.atlases), matched=matched)
    captions = "[...document.querySelectorAll('#feature caption')].map((each) => each.textContent)"
    browser.open(folder / f"{ONE}.html", "#feature=0")
    words = browser.wait("document.querySelector('#feature a[href^=\"encoder_s1_b2.html\"]')?.closest('tr').innerText")
    assert "encoder_s1_b2 9" in words and "0.81" in words
    assert any("blocks of other stages" in each for each in browser.run(f"return {captions}"))
    browser.open(folder / f"{ONE}.html", "#feature=1")
    browser.wait("document.querySelector('#feature dl')")
    assert not any("other stages" in each for each in browser.run(f"return {captions}"))


def test_a_link_names_block_and_feature(block, built):
    """A neighbour's link leads to its own block and opens it there, and back; a feature that is not there is said so."""
    block.click("#table a[data-row='5']")
    block.wait("document.querySelector('#feature td a, #feature tbody a')")
    block.click("#feature tbody a")
    block.wait("document.getElementById('feature-heading')?.textContent.startsWith('Feature 5: belt') && document.body.dataset.block === arguments[0]", OTHER)
    assert block.run("return location.href") == (built.folder / f"{OTHER}.html").as_uri() + "#feature=5"
    block.driver.back()
    block.wait("document.getElementById('feature-heading')?.textContent.startsWith('Feature 5: belt') && document.body.dataset.block === arguments[0]", ONE)
    block.run("location.hash = 'feature=4711'")
    block.wait("document.getElementById('feature-heading').textContent.startsWith('There is no feature 4711')")
    block.run("location.hash = ''")
    block.wait("document.getElementById('feature').hidden")


def test_a_click_into_the_scatter_opens_what_lies_there(block):
    block.run("const c = document.getElementById('scatter'), box = c.getBoundingClientRect();"
              "for (let x = 60; x < box.width && !location.hash; x += 8) for (let y = 8; y < box.height && !location.hash; y += 8)"
              "c.dispatchEvent(new MouseEvent('click', { clientX: box.left + x, clientY: box.top + y, bubbles: true }))")
    assert block.wait("location.hash.startsWith('#feature=')")


def test_by_keyboard_alone(block):
    """From the top: past the skip link to the search, to a column's head, to a feature, and back to its row."""
    from selenium.webdriver.common.keys import Keys

    def tab_to(condition, most=80):
        for _ in range(most):
            block.press(Keys.TAB)
            if block.run(f"const at = {FOCUSED}; return {condition}"):
                style = block.run(f"return [getComputedStyle({FOCUSED}).outlineStyle, getComputedStyle({FOCUSED}).outlineWidth]")
                assert style[0] != "none" and style[1] != "0px"
                return
        raise AssertionError(condition)

    tab_to("at.className === 'skip'")
    block.press(Keys.ENTER)
    tab_to("at.id === 'search'")
    block.press("unlabelled")
    block.wait("document.getElementById('count').textContent !== '30 of 64 features'")
    tab_to("at.closest('th') && at.textContent.startsWith('Feature')")
    block.press(Keys.SPACE)
    first = block.wait(f"document.querySelector('#table [aria-sort=ascending]') && {LISTED}[0]")
    tab_to("at.dataset.row")
    block.press(Keys.ENTER)
    block.wait(f"{FOCUSED}.id === 'feature-heading' && {FOCUSED}.textContent.startsWith(arguments[0])", f"Feature {first}")
    tab_to("at.id === 'back'", 2)
    block.press(Keys.ENTER)
    assert block.wait(f"{FOCUSED}.dataset.row") == first


def test_paging_keeps_the_keyboard(browser, wide):
    browser.open(wide)
    browser.wait("document.querySelectorAll('#table tbody tr').length === 50")
    browser.run("[...document.querySelectorAll('.pages button')].find((each) => each.textContent === 'Last').focus()")
    from selenium.webdriver.common.keys import Keys

    browser.press(Keys.ENTER)
    assert browser.wait("/^ \\d+ to (\\d+) of \\1 $/.test(document.querySelector('.pages span').textContent)")
    assert browser.run(f"return {FOCUSED}.textContent") == "First"
    browser.press(Keys.ENTER)
    assert browser.wait("document.querySelector('.pages span').textContent.startsWith(' 1 to 50 of')")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_pages_fit_the_screen(browser, built, size, dark):
    """No page scrolls sideways, with everything open; text is seen on its background in either scheme."""
    browser.size(size, dark)
    browser.open(built.folder / "index.html")
    browser.wait("document.querySelectorAll('#features tbody tr').length === 5")
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    name = f"{'narrow' if size == NARROW else 'wide'}{'-dark' if dark else ''}"
    browser.shoot(f"index-{name}")
    browser.open(built.folder / f"{ONE}.html", "#feature=0")
    browser.wait("document.querySelectorAll('#feature .maps canvas').length === 8")
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
    browser.click("#feature .examples button")
    browser.wait("document.querySelectorAll('#feature .examples canvas').length === 6")
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    light = browser.run(
        "const light = (name) => { const [r, g, b] = getComputedStyle(document.body)[name].match(/[\\d.]+/g).map((c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4 });"
        "return 0.2126 * r + 0.7152 * g + 0.0722 * b }; return [light('color'), light('backgroundColor')]"
    )
    assert (max(light) + 0.05) / (min(light) + 0.05) > 7 and (light[0] > light[1]) == dark
    browser.shoot(f"block-{name}")


def test_an_uncalibrated_page_says_so(browser, built, tmp_path):
    """The first thing below the heading, beside a table without labels."""
    atlas = dataclasses.replace(built.atlases[ONE], summary={**built.atlases[ONE].summary, "verdict": "uncalibrated"})
    for path in (built.folder / "pages" / "shared").iterdir():
        target = tmp_path / "pages" / "shared" / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    write_block_page(tmp_path, atlas, built.grid, built.near[ONE], BLOCKS)
    browser.open(tmp_path / f"{ONE}.html", "#feature=0")
    browser.wait("document.querySelectorAll('#feature .maps canvas').length === 8")
    assert browser.run("return document.querySelector('.notice').textContent").strip().startswith("uncalibrated")
    words = browser.run("return document.body.innerText")
    assert "Scores for its best labels" not in words and "storm" not in words and "Label\nnone: uncalibrated" in words
    browser.shoot("uncalibrated")


@pytest.fixture(scope="module")
def wide(built):
    """The page of a block with 16,384 features."""
    atlas = dataclasses.replace(large_atlas(built.atlases[ONE]), block_id=LARGE)
    write_block_page(built.folder, atlas, built.grid, built.near[ONE], [*BLOCKS, LARGE])
    return built.folder / f"{LARGE}.html"


def test_a_wide_block_opens_sorts_and_shows_any_feature(browser, wide):
    """16,384 features; times are printed, since a busy machine's say nothing of the page."""
    browser.open(wide)
    browser.wait("document.querySelectorAll('#table tbody tr').length === 50")
    opened = browser.run("return performance.getEntriesByType('navigation')[0].loadEventEnd")
    browser.choose("#alive", "")
    browser.wait("document.getElementById('count').textContent === arguments[0]", f"{N} of {N} features")
    sorts = {
        title: browser.run(
            "const button = [...document.querySelectorAll('#table thead button')].find((each) => each.textContent.startsWith(arguments[0]));"
            "const start = performance.now(); button.click(); document.body.offsetHeight; return performance.now() - start", title)
        for title in ("Feature", "Label", "Density", "Badges")
    }
    print(f"{N} features: opened in {opened:.0f} ms; sorted in {', '.join(f'{time:.0f} ms by {title}' for title, time in sorts.items())}")
    browser.run("location.hash = 'feature=16000'")
    assert browser.wait("document.getElementById('feature-heading')?.textContent") == "Feature 16000: storm"
    assert "Maps are drawn of features with a label" in browser.run("return document.getElementById('feature').innerText")
    browser.shoot("block-16384")
