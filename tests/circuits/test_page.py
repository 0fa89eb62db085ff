"""Pages of circuits: what they say, what they link to, and where all lies in the drawing."""

import copy
import dataclasses
import re
from pathlib import Path

import pytest
from aurorascope.circuits.finished import read_finished
from aurorascope.pages.circuit_drawing import WIDTH, draw_circuit
from aurorascope.pages.circuit_page import write_circuit_page

from tests.circuits import folder

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("inside")]


@pytest.fixture(scope="module")
def finished(place):
    return read_finished(place / "results", "first")


def text_of(finished, tmp_path, word=None):
    """The page of a circuit, under another word if one is given."""
    record = copy.deepcopy(dict(finished.record))
    record["word"] = word or record["word"]
    write_circuit_page(dataclasses.replace(finished, record=record, folder=tmp_path), Path("results"))
    return (tmp_path / "index.html").read_text()


def test_every_node_is_drawn_within_its_block(finished):
    drawing = draw_circuit(finished, {}, {})
    assert [box.block for box in drawing.boxes] == list(folder.BLOCKS) and drawing.width == WIDTH
    for box in drawing.boxes:
        assert box.x >= 0 and box.x + box.width <= drawing.width and box.y + box.height <= drawing.height
        assert len(box.nodes) == 4 and [node.is_error for node in box.nodes] == [False] * 3 + [True]
        for node in box.nodes:
            assert box.x <= node.x - node.size and node.x + node.size <= box.x + box.width
            assert box.y <= node.y - node.size and node.y + node.size <= box.y + box.height
    # All edges, of which none is 0 here, from the encoder's column to the decoder's.
    assert len(drawing.edges) == drawing.n_edges == 16
    left, right = drawing.boxes
    starts = {tuple(map(float, re.match(r"M([\d.]+) ([\d.]+) C", edge.path).groups())) for edge in drawing.edges}
    assert starts == {(node.x, node.y) for node in left.nodes}
    assert {tuple(map(float, edge.path.split()[-2:])) for edge in drawing.edges} == {(node.x, node.y) for node in right.nodes}
    assert max(edge.width for edge in drawing.edges) == drawing.edges[-1].width == 3.0


def test_a_circuit_that_fails_is_grey_and_says_so(finished, tmp_path):
    for word in ("fails its controls", "not known"):
        text = text_of(finished, tmp_path, word)
        assert 'class="drawing grey"' in text and "Drawn grey" in text and f"<title>{word}: first</title>" in text
    assert 'class="drawing grey"' not in text_of(finished, tmp_path, "passes its controls")
    for line in finished.record["against"]:
        assert line in text_of(finished, tmp_path).replace("&#39;", "'")


def test_pages_have_all_numbers_and_no_script(finished, tmp_path):
    text = text_of(finished, tmp_path)
    assert "<script" not in text and "style=" not in text and "http" not in text.replace("http-equiv", "").replace("https://", "")
    for name in ("nodes.parquet", "edges.parquet", "values.parquet", "record.json"):
        assert f'href="{name}"' in text
    for block in folder.BLOCKS:
        assert text.count(block) > 3
    assert text.count("<circle") == 6 and text.count("<title>") == 9 and "circuits/first.yaml" in text
    css = (tmp_path / "style.css").read_text()
    assert ".drawing" in css and "prefers-color-scheme" in css


def test_nodes_lead_to_the_atlas_where_its_pages_are(finished, tmp_path):
    assert "#feature=" not in text_of(finished, tmp_path)
    atlas = Path("results/atlas")
    atlas.mkdir()
    try:
        (atlas / f"{folder.BLOCKS[0]}.html").write_text("")
        text = text_of(finished, tmp_path)
        feature = finished.nodes[finished.nodes.block == folder.BLOCKS[0]].feature.iloc[0]
        # In the drawing, in the block's table and in that of edges.
        assert text.count(f"../../atlas/{folder.BLOCKS[0]}.html#feature={feature}&#34;") + text.count(f"{folder.BLOCKS[0]}.html#feature={feature}\"") >= 3
        assert f"../../atlas/{folder.BLOCKS[1]}.html" not in text
    finally:
        (atlas / f"{folder.BLOCKS[0]}.html").unlink()
        atlas.rmdir()
