"""A planted circuit, traced whole: it passes its controls, and what was not planted does not."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from aurorascope.attribution.value import Value
from aurorascope.backbone.replay import Replay
from aurorascope.blocks import BY_ID
from aurorascope.circuits.draws import draw
from aurorascope.circuits.edges import own_effects
from aurorascope.circuits.judge import judge, pair_facts
from aurorascope.circuits.measure import measure_run
from aurorascope.circuits.needs import alternating
from aurorascope.circuits.nodes import Chosen, choose_nodes
from aurorascope.circuits.others import Use
from aurorascope.circuits.runs import Run
from aurorascope.circuits.tables import edge_table, node_table, value_table
from aurorascope.circuits.trace import Open, trace
from aurorascope.circuits.verdict import FAILS, PASSES, UNKNOWN
from aurorascope.studies.outcomes import Linear

from tests.circuits import at_blocks, planted

BLOCKS = at_blocks.BLOCKS
N_SETS, N_PARTITIONS = 20, 60
WARMTH = Linear.read("the outcome", {"name": "warmth", "variable": "2t"})


def value_of(date):
    return Value(WARMTH, planted.batch(date), None)


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    opened: Open
    everything: list
    measured: dict
    uses: dict
    halves: tuple

    @property
    def edges(self):
        return edge_table(self.measured, planted.EVENTS, self.halves, self.opened.draws)


@pytest.fixture(scope="module")
def network():
    """The planted model, and its blocks with all features: what they usually are is no matter of the events."""
    model = planted.model(planted.WIDE)
    return model, at_blocks.sites_of(model, planted.sae(planted.WIDE))


@pytest.fixture(scope="module")
def traced(network):
    return trace_events(*network, N_SETS)


def trace_events(model, everything, n_sets):
    """The circuit of `planted.EVENTS`."""
    effects, uses = {block: 0 for block in BLOCKS}, {}
    for date in planted.EVENTS:
        for block in at_blocks.blocks_of(model, everything, date):
            effects[block.site.block.id] += own_effects(block, block.site.ids)[:-1] / len(planted.EVENTS)
            # Of the last event alone, which is as good as all of them.
            uses[block.site.block.id] = {
                each: Use(float((size_n > 0).mean()), float(size_n.mean())) for each, size_n in zip(block.site.ids, block.size_nf.T, strict=True)
            }
    ids = everything[0].ids
    chosen = {block: choose_nodes(dict(zip(ids, each.tolist(), strict=True)), 0.95, 5) for block, each in effects.items()}
    opened = open_of(model, everything, draw(chosen, uses, n_sets, N_PARTITIONS, 0))
    kept = {}
    measured = trace(opened, planted.EVENTS, {}, kept.__setitem__)
    assert kept.keys() == measured.keys()
    return Traced(opened, everything, measured, uses, alternating(planted.EVENTS))


def open_of(model, everything, draws):
    return Open(model, [of_ids(site, draws.ids(site.block.id)) for site in everything], draws, planted.batch, value_of)


def of_ids(site, ids):
    """A site that is asked for some of its features."""
    return dataclasses.replace(site, ids=ids, usual_nf=site.usual_nf[:, site.places(ids)])


def test_the_planted_features_are_the_nodes(traced):
    assert {*traced.opened.draws.nodes[planted.FIRST]} == {(each, 1) for each in (planted.A, planted.INHIBITOR, *planted.OTHERS)}
    assert {*traced.opened.draws.nodes[planted.SECOND]} == {(each, 1) for each in (planted.B, planted.HELD_DOWN, *planted.OTHERS)}


def test_the_planted_circuit_passes_its_controls(traced):
    found = judge(traced.edges, value_table(traced.measured), N_SETS, N_PARTITIONS)
    assert found["word"] == PASSES and found["against"] == []
    kept, removed = (found["faithfulness"][errors] for errors in ("kept", "removed"))
    # Nearly all of what events do leads through the planted features, and each channel is a feature: there are no errors.
    assert 0.95 < kept["circuit"] < 1.05 and abs(kept["rest"]) < 0.05 and max(kept["sets"]) < 0.2
    assert removed["circuit"] == pytest.approx(kept["circuit"], abs=1e-5) and removed["all"] == pytest.approx(1, abs=1e-5)
    assert found["replication"]["rho"] > 0.9 and found["replication"]["same_sign"] == 1.0


def test_a_random_re_partition_scores_at_most_a_fifth(network, traced, monkeypatch):
    """In the mean over events of three months: of one month's few dates, some noise goes the same way in both halves by chance."""
    found = [judge(traced.edges, value_table(traced.measured), N_SETS, N_PARTITIONS)["replication"]]
    for month in range(1, 3):
        monkeypatch.setattr(planted, "EVENTS", tuple(f"2022-{month:02d}-{day:02d}" for day in (9, 11, 13, 15)))
        other = trace_events(*network, 1)
        found.append(judge(other.edges, value_table(other.measured), 1, N_PARTITIONS)["replication"])
    assert len({each["random_rho"] for each in found}) == 3
    assert min(each["rho"] for each in found) > 0.9
    assert abs(np.mean([each["random_rho"] for each in found])) <= 0.2 and 0.4 < np.mean([each["random_same_sign"] for each in found]) < 0.6


def test_random_features_as_nodes_fail(traced):
    """The same with random features for a circuit."""
    edges = traced.edges
    role = edges[edges.role == "random_00"].assign(role="circuit")
    values = value_table(traced.measured)
    for errors in ("kept", "removed"):
        values.loc[values.run == f"circuit_{errors}", "y"] = values.loc[values.run == f"set_00_{errors}", "y"].to_numpy()
    found = judge(pd.concat([role, edges[edges.role != "circuit"]]), values, N_SETS, N_PARTITIONS)
    assert found["word"] == FAILS and len(found["against"]) == 3


def test_the_inhibitor_is_the_negative_edge(traced):
    edges = traced.edges
    negative = edges[(edges.role == "circuit") & (edges.influence < 0)]
    assert list(zip(negative.first_feature, negative.later_feature, strict=True)) == [(planted.INHIBITOR, planted.HELD_DOWN)]
    fact = pair_facts(edges)[0]
    assert (fact["n_negative"], fact["n_edges"]) == (1, 8)
    # Here all of the later block's features that carry something are nodes.
    assert fact["nodes"] == pytest.approx(fact["through"], rel=0.02)


def test_edges_and_effects_of_the_tables_are_means_over_dates(traced):
    edges, nodes = traced.edges, node_table(traced.measured, planted.EVENTS, traced.halves, traced.opened.draws, traced.uses)
    circuit = edges[edges.role == "circuit"]
    np.testing.assert_allclose(circuit.effect, (circuit.effect_a + circuit.effect_b) / 2, rtol=1e-12)
    # Every path leads through the second block.
    through = circuit[(circuit.later_kind == "all") & (circuit.first_kind == "feature")].set_index("first_feature").effect
    own = nodes[(nodes.role == "circuit") & (nodes.block == planted.FIRST) & (nodes.kind == "feature")].set_index("feature").effect
    np.testing.assert_allclose(through[own.index].to_numpy(float), own.to_numpy(float), rtol=1e-5)
    assert (nodes.role == "circuit").sum() == 12 and len(nodes) == 12 + (N_SETS + N_PARTITIONS) * 10


def test_what_an_earlier_job_measured_is_not_measured_again(traced):
    def refuse(*_):
        raise AssertionError("measured again")

    most = {key: each for key, each in traced.measured.items() if key[0] in planted.EVENTS[:3]}
    kept = {}
    found = trace(traced.opened, planted.EVENTS, most, kept.__setitem__)
    assert kept.keys() == traced.measured.keys() - most.keys()
    for key, arrays in traced.measured.items():
        assert all(np.array_equal(each, found[key][name]) for name, each in arrays.items())
    assert trace(dataclasses.replace(traced.opened, batch=refuse), planted.EVENTS, found, refuse).keys() == found.keys()


@pytest.fixture(scope="module")
def one_date(traced):
    replay = Replay(traced.opened.model, planted.batch(planted.EVENTS[0]))
    replay.advance(BY_ID[planted.FIRST])
    return replay


def read_in(traced, replay, run, sites=None):
    value = value_of(planted.EVENTS[0])
    value.set_clean(replay.forecast())
    return measure_run(traced.opened.model, replay, sites or traced.opened.sites, run, value.read)


def test_a_run_with_all_features_is_the_clean_one_to_the_bit(traced, one_date):
    clean = float(traced.measured[planted.EVENTS[0], "values_clean"]["y"][0])
    assert read_in(traced, one_date, Run({}, False, True)) == clean
    assert read_in(traced, one_date, Run({}, True, True)) != clean


def test_the_two_ways_to_keep_some_features_agree(traced, one_date):
    """A block's nodes alone, and all but the others: the same run, said from both sides."""
    nodes, sites = traced.opened.draws.nodes, traced.everything
    others = {block: tuple(each for each in sites[0].ids if each not in ids) for block, ids in nodes.items()}
    for keeps in (True, False):
        one, other = (read_in(traced, one_date, run, sites) for run in (Run(nodes, True, keeps), Run(others, False, keeps)))
        assert one == pytest.approx(other, rel=1e-6)


def test_without_features_or_errors_a_block_is_its_mean(traced, one_date):
    """Of the last block of the circuit nothing else reaches the forecast."""
    value = value_of(planted.EVENTS[0])
    value.set_clean(one_date.forecast())
    third, (_, second) = BY_ID[planted.LAST].module(traced.opened.model), traced.opened.sites
    handle = second.block.module(traced.opened.model).register_forward_hook(lambda *_: second.usual_nd[None])
    expected = value.read(traced.opened.model(planted.batch(planted.EVENTS[0])))
    handle.remove()
    assert third.weight[planted.B, 0] == 1 and read_in(traced, one_date, Run({}, True, False)) == pytest.approx(expected, rel=1e-6)


def test_one_date_alone_has_nothing_to_replicate(traced):
    date = planted.EVENTS[0]
    measured = {key: each for key, each in traced.measured.items() if key[0] == date}
    edges = edge_table(measured, (date,), None, traced.opened.draws)
    assert edges.effect_a.isna().all() and edges.effect.notna().all()
    found = judge(edges, value_table(measured), N_SETS, N_PARTITIONS)
    assert found["word"] == UNKNOWN and "one date alone" in found["against"][0]


def test_a_block_without_nodes_has_edges_to_its_error_alone(traced):
    nothing = {planted.FIRST: Chosen((), None, 0), planted.SECOND: Chosen(((0, 1),), 0.5, 1)}
    draws = draw(nothing, traced.uses, 1, 1, 0)
    opened = open_of(traced.opened.model, traced.everything, draws)
    measured = trace(opened, planted.EVENTS[:2], {}, lambda *_: None)
    edges = edge_table(measured, planted.EVENTS[:2], alternating(planted.EVENTS[:2]), draws)
    assert set(edges.first_kind) == {"error"} and len(edges) == 3
    assert judge(edges, value_table(measured), 1, 1)["word"] == UNKNOWN
