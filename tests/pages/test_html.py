"""Pages as HTML: whole, reachable with a keyboard, with nothing from outside, and without markup in names."""

import dataclasses
import itertools
import re
from html.parser import HTMLParser

import pytest
from aurorascope.pages.block_page import write_block_page
from aurorascope.pages.html import STATIC
from aurorascope.pages.index_page import index_entry, write_index_page
from aurorascope.pages.read import names_of_nothing

from tests.pages.built import BLOCKS, without_calibration
from tests.pages.conftest import HOSTILE
from tests.pages.scripts import read_block, read_script, words_of

VOID = {"meta", "link", "input", "img", "br"}
PAGES = ["index.html", *(f"{block}.html" for block in BLOCKS)]


class Parsed(HTMLParser):
    """Elements of a page in order, and whether each was closed where it should be."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), tuple(self._open)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag):
        return [attributes for name, attributes, _ in self.elements if name == tag]


@pytest.fixture(scope="module", params=PAGES)
def page(request, built):
    return built.folder / request.param, Parsed((built.folder / request.param).read_text())


def test_every_page_is_whole(page):
    """Elements are closed in order, ids are given once, what is referred to is there, and headings skip no step."""
    _, parsed = page
    ids = [attributes["id"] for _, attributes, _ in parsed.elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 3
    referred = [attributes[name] for _, attributes, _ in parsed.elements for name in ("for", "aria-labelledby") if name in attributes]
    # A feature's heading comes with the feature.
    assert set(referred) - {"feature-heading"} <= set(ids)
    steps = [int(tag[1]) for tag, _, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert steps[0] == 1 and max(b - a for a, b in itertools.pairwise(steps)) <= 1
    assert parsed.all("html") == [{"lang": "en"}] and len(parsed.all("main")) == len(parsed.all("title")) == 1
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in parsed.all("meta")


def test_every_control_has_its_words(page):
    _, parsed = page
    for tag, attributes, inside in parsed.elements:
        if tag in ("input", "select"):
            assert "label" in inside, attributes
        if tag == "img":
            assert attributes["alt"]
        if tag == "canvas":
            assert attributes["role"] == "img"


def test_nothing_comes_from_outside_the_folder(page):
    """Each address is relative and, but for figures, which lie beside the folder, a file that is there; no script or style is inline."""
    path, parsed = page
    for tag, attributes, _ in parsed.elements:
        assert not {name for name in attributes if name.startswith("on")} | ({"style"} & attributes.keys()), (tag, attributes)
        for name in ("src", "href"):
            address = attributes.get(name, "")
            assert not re.match(r"[a-z]+:|//|/", address) or address == "data:,", address
            if address and not address.startswith(("#", "data:", "../figures/")):
                assert (path.parent / address.split("#")[0]).is_file(), address
    assert not [text for tag, text in parsed.texts if tag in ("script", "style") and text.strip()]
    (policy,) = [each["content"] for each in parsed.all("meta") if "content" in each and "default-src" in each["content"]]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy and "http" not in policy


@pytest.mark.parametrize("script", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_scripts_write_text_alone_and_ask_nobody(script):
    """Nothing that makes markup or code of text, or that reaches for a network; and each is short."""
    text = script.read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|fetch\(|XMLHttp|WebSocket|import\(|https?:", text)
    assert text.startswith('"use strict";') and len(text.splitlines()) <= 300


def test_names_are_text(built, tmp_path):
    """A name and a label that are markup come out as they are, and add no element to any page."""
    table = read_block(built.folder, BLOCKS[0])[0]
    assert table["columns"]["name"] == {"0": HOSTILE, "12": "noise"}
    for path in (built.folder / "pages").rglob("*.js"):
        if "shared" not in path.parts:
            assert "<" not in path.read_text(encoding="ascii")
    hostile, atlas = '"><img src=x onerror=alert(1)>', built.atlases[BLOCKS[0]]
    tables = {name: each.replace({"label": {"storm": hostile}}) if "label" in each else each for name, each in atlas.tables.items()}
    changed = dataclasses.replace(atlas, tables=tables)
    write_block_page(tmp_path, changed, built.grid, built.near[BLOCKS[0]], BLOCKS)
    plain, parsed = (Parsed((folder / f"{BLOCKS[0]}.html").read_text()) for folder in (built.folder, tmp_path))
    assert [tag for tag, *_ in parsed.elements] == [tag for tag, *_ in plain.elements]
    assert ("option", hostile) in parsed.texts and hostile in words_of(read_block(tmp_path, BLOCKS[0])[0]["columns"]["label"])


@pytest.mark.parametrize("verdict", ["uncalibrated", "too_coarse", "too_few_dates", "no label"])
def test_a_gate_that_did_not_pass_shows_no_label(built, tmp_path, verdict):
    """The page says the word, and no file of it names any label, not even a neighbour's; a user's own names stay."""
    atlas = without_calibration(built.atlases[BLOCKS[0]])
    atlas = dataclasses.replace(atlas, summary={**atlas.summary, "verdict": verdict})
    elsewhere = {BLOCKS[1]: {(0, 1): "storm"}}
    names = {(3, 1): "my own"}
    write_block_page(tmp_path, atlas, built.grid, built.near[BLOCKS[0]], BLOCKS, labels=elsewhere, names=names)
    write_index_page(tmp_path, {BLOCKS[0]: index_entry(atlas, names)})
    page = Parsed((tmp_path / f"{BLOCKS[0]}.html").read_text())
    assert ("strong", verdict) in page.texts
    for path in tmp_path.rglob("*.*"):
        if "shared" not in path.parts:
            assert not re.search(r"\b(storm|land|belt)\b", path.read_text()), path
    columns = read_block(tmp_path, BLOCKS[0])[0]["columns"]
    assert set(words_of(columns["label"])) == {""} and set(words_of(columns["verdict"])) <= {verdict, "never on"}
    assert "f1_test" not in columns and columns["name"] == {"3": "my own"}
    (entry,) = read_script(tmp_path / "pages" / "index.js")[1]
    assert entry["n_event"] is None
    assert (entry["verdict"], entry["n_labelled"], entry["features"]) == (verdict, 0, [[3, 1, "", "my own", verdict, None]])


def test_names_of_what_is_not_there_are_said_on_the_first_page(built, tmp_path):
    """Of features, of signs and of blocks, few of each; names that have their place are not among them."""
    names = {
        BLOCKS[1]: {(3, 1): "here", (3, -1): "here", (4, -1): "no such sign", **{(1000 + each, 1): "beyond" for each in range(9)}},
        BLOCKS[0]: {(0, 1): HOSTILE}, "decoder_s0_b0": {(0, 1): "elsewhere"},
    }
    there = {block: [(feature, 1) for feature in range(20)] for block in BLOCKS}
    strange = names_of_nothing(names, there)
    assert strange == ["encoder_s0_b3 has no feature 4, 1000, 1001, 1002, 1003, … and 5 more numbers", "decoder_s0_b0 has no page here"]
    assert names_of_nothing({BLOCKS[0]: names[BLOCKS[0]]}, there) == []
    entries = {BLOCKS[0]: index_entry(built.atlases[BLOCKS[0]], {})}
    for found, wanted in ((strange, 1), ([], 0)):
        write_index_page(tmp_path, entries, (), found)
        assert (tmp_path / "index.html").read_text().count("; ".join(strange)) == wanted
        assert len([each for each in Parsed((tmp_path / "index.html").read_text()).all("p") if each.get("class") == "notice"]) == 1 + wanted


def test_the_index_leads_to_all_blocks_and_their_labels(built):
    entries = read_script(built.folder / "pages" / "index.js")[1]
    assert [entry["block"] for entry in entries] == list(BLOCKS)
    for entry in entries:
        table = built.atlases[entry["block"]].tables["features"]
        labelled = table[table["label"] != ""]
        assert entry["n_event"] == (table["verdict"] == "event").sum() >= 1
        assert entry["n_labelled"] == len(labelled) == 2 and entry["n_alive"] == (table["density"] > 0).sum()
        assert {(feature, label) for feature, _, label, *_ in entry["features"] if label} == set(zip(labelled["feature"], labelled["label"], strict=True))
    assert [feature for feature, *_, in entries[0]["features"]] == [0, 5, 12]
