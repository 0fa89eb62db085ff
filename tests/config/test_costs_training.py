"""Steps of a training: whole snapshots, or rows of all of them, never more at a time than one snapshot has."""

import pytest
from aurorascope.costs.estimate import estimate
from aurorascope.costs.report import report
from aurorascope.spec import GRID

from tests.config.raw import typed

DEMO = (46, 90)


def steps(raw, grid):
    """Steps by (component, stage); blocks of a stage have the same."""
    found = {}
    for cost in estimate(typed(raw), grid).blocks:
        found.setdefault((cost.block.component, cost.block.stage), set()).add(cost.steps)
    assert all(len(each) == 1 for each in found.values())
    return [each.pop() for each in found.values()]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [1800, 512, 512, 512, 512, 1800]),
        ({"batch_rows": 100}, [9216, 2464, 656, 656, 2464, 9216]),
        ({"shuffle": "snapshots"}, [512] * 6),
        ({"recipe": "card", "epochs": 16}, [1024] * 6),
    ],
    ids=str,
)
def test_steps_of_the_demo(demo_raw, changes, expected):
    """64 snapshots of 1,800, 480 and 128 tokens, in steps of 512 rows at most; each epoch's last step may be short."""
    demo_raw["sae"] |= {"epochs": 8} | changes
    assert steps(demo_raw, DEMO) == expected


def test_the_year_takes_a_step_a_snapshot(year_raw):
    """The card's recipe: three epochs of 365."""
    assert steps(year_raw, GRID) == [1095] * 6


@pytest.mark.parametrize(
    ("raw", "grid", "words"), [("demo_raw", DEMO, "512 to 1,800 a block"), ("year_raw", GRID, "1,095 a block")]
)
def test_the_plan_says_from_where_to_where(request, raw, grid, words):
    """One number where all blocks take as many steps."""
    config = typed(request.getfixturevalue(raw))
    assert words in "\n".join(report(config, estimate(config, grid), [], []))
