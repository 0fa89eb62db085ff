"""The plan's section on attributions, by hand."""

import dataclasses

import pytest
import yaml
from aurorascope.attribution.costs import RELEVANCE, attribution_cost, attributions_cost
from aurorascope.attribution.needs import needs_of
from aurorascope.attribution.outcome_file import read_outcome_file
from aurorascope.blocks import BLOCK_IDS, BLOCKS, BY_ID
from aurorascope.config.stages import stage_digest
from aurorascope.costs.flops import forward_flops, sae_flop
from aurorascope.costs.rows import not_counted
from aurorascope.costs.stores import n_tokens
from aurorascope.files import write_json

from tests.studies import folder

GRID = (19, 36)
TWO = (BLOCK_IDS[0], BLOCK_IDS[30])
CONFIG = dataclasses.replace(folder.config(), blocks=TWO)
SHARES = [1 - forward_flops(GRID, 13, 16)[block] / forward_flops(GRID, 13, 16)[BLOCKS[-1].id] for block in TWO]
GIVEN = {"variable": "2t", "dates": ["2022-06-20"], "quiet_dates": ["2022-06-01", "2022-07-05"], "exact": 3}


def write(path, name="warm", **changes):
    (path / "outcomes").mkdir(exist_ok=True)
    (path / "outcomes" / f"{name}.yaml").write_text(yaml.safe_dump(GIVEN | changes))
    file = read_outcome_file(name, path / "outcomes")
    return file, needs_of(file, CONFIG.cams)


def test_one_forward_and_one_backward_serve_all_blocks(tmp_path):
    """Beside those of the quiet dates and of ablations."""
    cost = attribution_cost(write(tmp_path)[1], TWO, CONFIG, GRID)
    assert (cost.n_forwards, cost.n_backwards, cost.n_encoded) == (2 + 2 + 2 * (3 + 1), 1, 4 * 2)
    assert cost.whole == pytest.approx(2 * (1 - SHARES[1]) + 1 + 3 * SHARES[0] + 1 + SHARES[0] - SHARES[1] + 4 * sum(SHARES))
    widths = [BY_ID[block].width(16) for block in TWO]
    encodings = [sae_flop(n_tokens(BY_ID[block], GRID), w, w * CONFIG.sae.expansion, 1) for block, w in zip(TWO, widths, strict=True)]
    assert cost.flop == (4 + 1) * sum(encodings)


def test_midpoints_cost_each_block_passes_of_its_own(tmp_path):
    needs = write(tmp_path, rule="midpoint", blocks=list(TWO), points=5)[1]
    cost = attribution_cost(needs, TWO, CONFIG, GRID)
    assert (cost.n_forwards, cost.n_backwards) == (2 + 2 + 2 * (3 + 1) + 2 * 5, 2 * 5)
    assert cost.whole == pytest.approx(2 * (1 - SHARES[1]) + 2 * (1 + SHARES[0] - SHARES[1]) + (4 + 5 * 4) * sum(SHARES))


def test_without_ablations_the_rule_gradient_compares_nothing(tmp_path):
    cost = attribution_cost(write(tmp_path, exact=0)[1], TWO, CONFIG, GRID)
    assert cost.n_forwards == 2 + 1 and cost.whole == pytest.approx(2 * (1 - SHARES[1]) + 1 + 3 * SHARES[0])


def test_relevance_takes_longer_than_the_gradient(tmp_path):
    """Its forward with a graph and its backward pass; quiet dates and ablations do not."""
    costs = [attribution_cost(write(tmp_path, rule=rule)[1], TWO, CONFIG, GRID) for rule in ("gradient", "relevance")]
    assert costs[1].whole - costs[0].whole == pytest.approx((RELEVANCE - 1) * (1 + 3 * SHARES[0])) and RELEVANCE > 1
    assert dataclasses.replace(costs[1], whole=0) == dataclasses.replace(costs[0], whole=0)


def test_dates_add_up(tmp_path):
    one = attribution_cost(write(tmp_path)[1], TWO, CONFIG, GRID)
    two = attribution_cost(write(tmp_path, dates=["2022-06-02", "2022-06-20"])[1], TWO, CONFIG, GRID)
    assert two.n_forwards - 2 == 2 * (one.n_forwards - 2) and two.n_backwards == 2 * one.n_backwards
    assert two.kept == one.kept > 0
    assert attribution_cost(write(tmp_path)[1], (), CONFIG, GRID).whole == 0


def test_the_section_names_each_outcome_and_what_is_wrong_with_one(tmp_path):
    assert attributions_cost(CONFIG, GRID, None, tmp_path / "outcomes") == []
    write(tmp_path)
    (tmp_path / "outcomes" / "cold.yaml").write_text(yaml.safe_dump(GIVEN | {"variable": "t2"}))
    (section,) = attributions_cost(CONFIG, GRID, None, tmp_path / "outcomes")
    rows = {row[0]: row[1:] for row in section.rows}
    assert rows["warm"][0] == "12 forwards, 1 backward pass, 8 encodings" and "1 date, 2 quiet dates, 2 blocks" in rows["warm"][1]
    assert rows["cold"][0] == "not counted" and "take 2t" in rows["cold"][1]
    assert section.title.endswith("no attributions there yet")
    (line,) = not_counted([section], "outcome", "attributions")
    assert line.startswith("The outcome cold is not counted, and the target `attributions`")


def test_blocks_that_are_there_cost_nothing_more(tmp_path):
    """Until the file changes."""
    file, needs = write(tmp_path)
    record = {
        "kind": "attribution", "asked": dict(file.asked), "hour": 12, "quiet_dates": list(needs.quiet_dates),
        "config_sha256": stage_digest(CONFIG, "attribute"),
    }
    for block in TWO:
        write_json(tmp_path / "results" / "attribution" / "warm" / f"{block}.json", record)
    (section,) = attributions_cost(CONFIG, GRID, tmp_path / "results", tmp_path / "outcomes")
    rows = {row[0]: row[1:] for row in section.rows}
    assert rows["warm"][1].endswith("already there") and rows["time left"][0] == "0 h" and section.title.endswith("2 attributions already there")
    write(tmp_path, exact=4)
    (section,) = attributions_cost(CONFIG, GRID, tmp_path / "results", tmp_path / "outcomes")
    rows = {row[0]: row[1:] for row in section.rows}
    assert "already" not in rows["warm"][1] and rows["time left"][0] != "0 h"
