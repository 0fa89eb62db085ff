"""What the plan says of circuits is what runs, for as many nodes as a file allows."""

import pytest
from aurorascope.attribution.costs import BACKWARD
from aurorascope.attribution.graphs import computes_again
from aurorascope.attribution.needs import Needs as OutcomeNeeds
from aurorascope.blocks import BY_ID
from aurorascope.circuits.circuit_file import CircuitFile
from aurorascope.circuits.costs import N_RUNS, circuit_cost
from aurorascope.circuits.draws import Draws
from aurorascope.circuits.measure import runs_of
from aurorascope.circuits.needs import CircuitNeeds, alternating
from aurorascope.circuits.pairs import DEFAULT_BLOCKS
from aurorascope.spec import EMBED_DIM, GRID

DATES = ("2022-02-02", "2022-06-20")


def cost_of(blocks=DEFAULT_BLOCKS, **changes):
    file = CircuitFile(**{
        "path": None, "name": "jet", "asked": {}, "outcome": "jet", "blocks": blocks, "share": 0.8, "most": 32, "halves": None, "seed": 0,
        "n_sets": 20, "n_partitions": 5, **changes,
    })
    of_outcome = OutcomeNeeds(DATES, 12, (), False, None, "gradient", 0, 20)
    share = {block: at / (len(blocks) + 1) for at, block in enumerate(blocks, 1)}
    return circuit_cost(file, CircuitNeeds(None, of_outcome, alternating(DATES)), share)


def test_runs_are_those_that_are_made():
    draws = Draws({"encoder_s0_b3": ()}, [{"encoder_s0_b3": ()}] * 20, (), {})
    assert len(runs_of(draws)) == 2 * (N_RUNS + 20)


def test_a_circuit_of_two_blocks_is_counted_by_hand():
    """Of thirds of a forward: what comes before, the clean forecast twice and a backward, ten runs; then two pairs' backwards through a third."""
    found = cost_of(("encoder_s1_b5", "encoder_s2_b4"), most=3, n_sets=1, n_partitions=1)
    assert found.n_forwards == 2 * (2 + 10 + 1)
    assert found.n_backwards == 2 * (1 + 2 * 3 + 2 + 3)
    assert found.whole == pytest.approx(2 * (1 / 3 + (2 + BACKWARD + 10) * (1 - 1 / 3) + 1 / 3 * (1 + BACKWARD * 11)))


def test_more_of_anything_costs_more():
    base = cost_of()
    for changes in ({"most": 33}, {"n_sets": 21}, {"n_partitions": 6}):
        assert cost_of(**changes).whole > base.whole


def test_graphs_of_the_demo_are_held_and_of_the_published_model_are_not():
    first = BY_ID[DEFAULT_BLOCKS[0]]
    assert not computes_again(first, (46, 90), 32) and not computes_again(first, (91, 180), 64) and computes_again(first, GRID, EMBED_DIM)
