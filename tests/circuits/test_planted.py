"""A planted circuit, traced whole: it passes its controls, and what was not planted does not."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from aurorascope.backbone.replay import Replay
from aurorascope.blocks import BY_ID
from aurorascope.circuits.agreement import agreement
from aurorascope.circuits.draws import draw
from aurorascope.circuits.judge import judge, pair_facts
from aurorascope.circuits.measure import measure_run
from aurorascope.circuits.needs import alternating
from aurorascope.circuits.nodes import Chosen, choose_nodes
from aurorascope.circuits.runs import Run, Site
from aurorascope.circuits.tables import edge_table, node_table, value_table
from aurorascope.circuits.trace import Open, trace, uses_of
from aurorascope.circuits.verdict import PASSES

from tests.circuits import at_blocks, planted

BLOCKS = (planted.FIRST, planted.SECOND)
N_SETS, N_PARTITIONS = 20, 20


class Sum:
    """The sum of the forecast of 2t over its cells."""

    rounding = 1e-9

    def y(self, forecast):
        return at_blocks.y_of(forecast)

    def value(self, forecast):
        return float(self.y(forecast))


@dataclasses.dataclass(frozen=True, eq=False)
class Traced:
    opened: Open
    measured: dict
    uses: dict
    halves: tuple

    @property
    def edges(self):
        return edge_table(self.measured, planted.EVENTS, self.halves, self.opened.draws)


def effects(model, sae):
    """Mean effect over events of each feature, by block."""
    found = {block: np.zeros(sae.d_hidden) for block in BLOCKS}
    for date in planted.EVENTS:
        for name, block in at_blocks.blocks_of(model, sae, date).items():
            found[name] += (block.change_nf * (block.g_nd @ sae.W_dec.detach().T).double().numpy()).sum(axis=0)
    return {name: {(feature, 1): float(each) / len(planted.EVENTS) for feature, each in enumerate(values)} for name, values in found.items()}


@pytest.fixture(scope="module")
def traced():
    model, sae = planted.model(planted.WIDE), planted.sae(planted.WIDE)
    chosen = {block: choose_nodes(each, 0.95, 5) for block, each in effects(model, sae).items()}
    uses = uses_of(model, dict.fromkeys(BLOCKS, sae), [lambda date=date: planted.batch(date) for date in planted.EVENTS])
    draws = draw(chosen, uses, N_SETS, N_PARTITIONS, 0)
    sites = []
    for block in BLOCKS:
        usual = at_blocks.usual_of(model, sae, block)
        sites.append(Site(BY_ID[block], sae, usual, draws.ids(block), usual.sizes(draws.ids(block))))
    opened = Open(model, sites, draws, planted.batch, lambda _date, _clean: Sum())
    kept = {}
    measured = trace(opened, planted.EVENTS, {}, kept.__setitem__)
    assert kept.keys() == measured.keys()
    return Traced(opened, measured, uses, alternating(planted.EVENTS))


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


def test_a_random_re_partition_scores_at_most_a_fifth(traced):
    found = judge(traced.edges, value_table(traced.measured), N_SETS, N_PARTITIONS)["replication"]
    assert abs(found["random_rho"]) <= 0.2 and 0.3 < found["random_same_sign"] < 0.7


def test_random_features_as_nodes_fail(traced):
    """The same with random features for a circuit."""
    edges = traced.edges
    role = edges[edges.role == "random_00"].assign(role="circuit")
    values = value_table(traced.measured)
    for errors in ("kept", "removed"):
        values.loc[values.run == f"circuit_{errors}", "y"] = values.loc[values.run == f"set_00_{errors}", "y"].to_numpy()
    found = judge(pd.concat([role, edges[edges.role != "circuit"]]), values, N_SETS, N_PARTITIONS)
    assert found["word"] == "fails its controls" and len(found["against"]) == 3


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

    half = {key: each for key, each in traced.measured.items() if key[0] in planted.EVENTS[:2]}
    kept = {}
    found = trace(traced.opened, planted.EVENTS, half, kept.__setitem__)
    assert kept.keys() == traced.measured.keys() - half.keys()
    for key, arrays in traced.measured.items():
        assert all(np.array_equal(each, found[key][name]) for name, each in arrays.items())
    assert trace(dataclasses.replace(traced.opened, batch=refuse), planted.EVENTS, found, refuse).keys() == found.keys()


@pytest.fixture(scope="module")
def one_date(traced):
    replay = Replay(traced.opened.model, planted.batch(planted.EVENTS[0]))
    replay.advance(BY_ID[planted.FIRST])
    return replay


def value_of(traced, replay, run):
    return measure_run(traced.opened.model, replay, traced.opened.sites, run, Sum().value)


def test_a_run_with_all_features_is_the_clean_one_to_the_bit(traced, one_date):
    clean = Sum().value(one_date.forecast())
    assert value_of(traced, one_date, Run({}, False, True)) == clean
    assert value_of(traced, one_date, Run({}, True, True)) != clean


def test_the_two_ways_to_keep_some_features_agree(traced, one_date):
    """A block's nodes alone, and all but the others: the same run, said from both sides."""
    sites, everything = traced.opened.sites, tuple((feature, 1) for feature in range(planted.WIDE))
    sites = [dataclasses.replace(site, ids=everything, usual_nf=site.usual.sizes(everything)) for site in sites]
    nodes = traced.opened.draws.nodes
    others = {block: tuple(each for each in everything if each not in ids) for block, ids in nodes.items()}
    for keeps in (True, False):
        one, other = (
            measure_run(traced.opened.model, one_date, sites, run, Sum().value) for run in (Run(nodes, True, keeps), Run(others, False, keeps))
        )
        assert one == pytest.approx(other, rel=1e-6)


def test_without_features_or_errors_a_block_is_its_mean(traced, one_date):
    """Of the last block of the circuit nothing else reaches the forecast."""
    found = value_of(traced, one_date, Run({}, True, False))
    x_nd = traced.opened.sites[1].usual.x_nd
    third = BY_ID[planted.LAST].module(traced.opened.model)
    expected = float((0.1 + third(x_nd[None], None, None)[0, :, 0].reshape(4, 6, 12).sum(0)).sum() * 9)
    assert found == pytest.approx(expected, rel=1e-6)


def test_one_date_alone_has_nothing_to_replicate(traced):
    date = planted.EVENTS[0]
    measured = {key: each for key, each in traced.measured.items() if key[0] == date}
    edges = edge_table(measured, (date,), None, traced.opened.draws)
    assert edges.effect_a.isna().all() and edges.effect.notna().all()
    found = judge(edges, value_table(measured), N_SETS, N_PARTITIONS)
    assert found["word"] == "not known" and "one date alone" in found["against"][0]


def test_a_block_without_nodes_has_edges_to_its_error_alone(traced):
    nothing = {planted.FIRST: Chosen((), None, 0), planted.SECOND: Chosen(((0, 1),), 0.5, 1)}
    draws = draw(nothing, traced.uses, 1, 1, 0)
    sites = [dataclasses.replace(site, ids=draws.ids(site.block.id), usual_nf=site.usual.sizes(draws.ids(site.block.id))) for site in traced.opened.sites]
    opened = dataclasses.replace(traced.opened, sites=sites, draws=draws)
    measured = trace(opened, planted.EVENTS[:2], {}, lambda *_: None)
    edges = edge_table(measured, planted.EVENTS[:2], alternating(planted.EVENTS[:2]), draws)
    assert set(edges.first_kind) == {"error"} and len(edges) == 3
    assert agreement(np.array([]), np.array([])).n_edges == 0
    assert judge(edges, value_table(measured), 1, 1)["word"] == "not known"
