"""Nodes, stand-ins, faithfulness, replication and the word, on numbers whose answers are known."""

import itertools

import numpy as np
import pytest
from aurorascope.circuits.agreement import Agreement, agreement, replication, spearman
from aurorascope.circuits.draws import draw
from aurorascope.circuits.faithfulness import CLEAN, faithfulness, mean_values
from aurorascope.circuits.nodes import Chosen, choose_nodes, likeness
from aurorascope.circuits.others import Use, matched_set
from aurorascope.circuits.pairs import DEFAULT_BLOCKS, is_skip, pairs_of
from aurorascope.circuits.verdict import WORDS, word_of
from scipy.stats import spearmanr


def ids(*numbers):
    return tuple((number, 1) for number in numbers)


def test_the_fewest_features_with_the_share_are_nodes():
    effects = {(0, 1): 0.1, (1, 1): -0.5, (1, -1): 0.3, (2, 1): 0.0, (3, 1): 0.1}
    assert choose_nodes(effects, 0.8, 32) == Chosen(((1, 1), (1, -1)), pytest.approx(0.8), 2)
    assert choose_nodes(effects, 0.81, 32).ids == ((1, 1), (1, -1), (0, 1))
    # All that have an effect, and no more, where all is asked for.
    assert choose_nodes(effects, 1.0, 32).ids == ((1, 1), (1, -1), (0, 1), (3, 1))
    assert choose_nodes(effects, 1.0, 2) == Chosen(((1, 1), (1, -1)), pytest.approx(0.8), 4)
    assert choose_nodes({(0, 1): 0.0}, 0.8, 32) == Chosen((), None, 0)


def test_likeness_of_sets():
    assert likeness(ids(1, 2, 3), ids(3, 2)) == pytest.approx(2 / 3)
    assert likeness((), ()) is None


def uses_of(n):
    rng = np.random.default_rng(0)
    return {(feature, 1): Use(*(float(each) for each in np.exp(rng.uniform(-4, -1, 2)))) for feature in range(n)}


def test_matched_features_are_within_a_factor_of_two():
    uses, nodes = uses_of(400), ids(3, 17, 200)
    found, n = matched_set(nodes, uses, np.random.default_rng(1))
    assert n == 3 and len(set(found)) == 3 and not {*found} & {*nodes}
    for node, each in zip(nodes, found, strict=True):
        for name in ("density", "size"):
            assert 0.5 <= getattr(uses[each], name) / getattr(uses[node], name) <= 2
    assert matched_set(nodes, uses, np.random.default_rng(2))[0] != found


def test_where_no_feature_matches_the_nearest_is_taken():
    uses = {(0, 1): Use(0.1, 1.0), (1, 1): Use(0.1, 5.0), (2, 1): Use(0.1, 3.0)}
    assert matched_set(ids(0), uses, np.random.default_rng(0)) == (ids(2), 0)
    # One that is off on these dates has an effect, too, where it usually is on.
    assert matched_set(ids(3), uses | {(3, 1): Use(0.0, 0.0), (4, 1): Use(0.0, 0.0)}, np.random.default_rng(0)) == (ids(4), 1)
    assert matched_set(ids(3), uses | {(3, 1): Use(0.0, 0.0)}, np.random.default_rng(0)) == (ids(0), 0)
    assert matched_set(ids(0, 1, 2), uses, np.random.default_rng(0)) == ((), 0)


def test_stand_ins_of_one_block_do_not_hang_on_the_other_blocks():
    """Each block has a stream of its own, and so another choice of blocks draws the same features."""
    blocks = {"encoder_s0_b3": (ids(1, 2), uses_of(60)), "decoder_s0_b4": (ids(5), uses_of(50))}
    drawn = draw({name: Chosen(each, 0.8, 2) for name, (each, _) in blocks.items()}, {name: uses for name, (_, uses) in blocks.items()}, 4, 3, 7)
    name = "decoder_s0_b4"
    alone = draw({name: Chosen(ids(5), 0.8, 2)}, {name: uses_of(50)}, 4, 3, 7)
    assert [each[name] for each in drawn.sets] == [each[name] for each in alone.sets]
    assert [each[name] for each in drawn.partitions] == [each[name] for each in alone.partitions]
    assert all(len(part["encoder_s0_b3"]) == 2 and not {*part["encoder_s0_b3"]} & {*ids(1, 2)} for part in (*drawn.sets, *drawn.partitions))


def test_spearman_is_that_of_scipy():
    rng = np.random.default_rng(4)
    first, second = rng.standard_normal(50), rng.standard_normal(50).round(0)
    assert spearman(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)
    assert spearman(first, np.ones(50)) is None and spearman(first[:2], second[:2]) is None


def test_edges_that_are_nothing_on_both_sides_do_not_agree():
    first, second = np.array([1.0, 2.0, -3.0, 0, 0, 0, 0.0]), np.array([2.0, 1.0, 4.0, 0, 0, 0, 0.0])
    assert agreement(first, second) == Agreement(pytest.approx(-1), pytest.approx(2 / 3), 3)
    # One that is off on one side has no sign there.
    assert agreement(np.append(first, 1.0), np.append(second, 0.0)) == Agreement(pytest.approx(-0.4**0.5), pytest.approx(2 / 3), 4)
    assert agreement(np.zeros(3), np.zeros(3)) == Agreement(None, None, 0)


def test_edges_replicate_where_they_agree_better_than_random_ones():
    good, other = Agreement(0.9, 1.0, 20), Agreement(0.71, 0.5, 20)
    assert replication(good, [other])["passes"] is False
    found = replication(good, [other, Agreement(0.3, 0.7, 20), Agreement(None, None, 0)])
    assert found["passes"] is True and found["random_rho"] == pytest.approx(0.505) and found["random_same_sign"] == pytest.approx(0.6)
    for nodes, others, why in (
        (None, [other], "one date"), (Agreement(None, None, 0), [other], "0 edges"), (good, [], "no draw"), (good, [Agreement(None, None, 0)], "no edges"),
    ):
        found = replication(nodes, others)
        assert found["passes"] is None and why in found["why"]


def values(**runs):
    """The outcome's value in each run, errors kept; clean is 5 and featureless is 1."""
    return {CLEAN: 5.0, "none_kept": 1.0, "all_kept": 5.0, "rest_kept": 1.5, **runs}


def sets_of(n, y):
    return {f"set_{at:02d}_kept": y for at in range(n)}


def test_all_features_are_faithful_and_none_are_not():
    """Exactly: with errors kept, all features are the clean run."""
    everything = faithfulness(values(circuit_kept=5.0, **sets_of(20, 1.0)), "kept", 1e-6, 20)
    assert (everything["circuit"], everything["all"], everything["sets"]) == (1.0, 1.0, [0.0] * 20)
    assert everything["passes"] is True and everything["p"] == pytest.approx(1 / 21) and everything["denominator"] == 4.0
    nothing = faithfulness(values(circuit_kept=1.0, **sets_of(20, 1.0)), "kept", 1e-6, 20)
    assert nothing["circuit"] == 0.0 and nothing["passes"] is False and nothing["p"] == 1.0
    assert everything["rest"] == pytest.approx(0.125)


def test_more_than_faithful_is_not_better():
    """Twice the way is as far from it as none of it."""
    found = faithfulness(values(circuit_kept=9.0, **sets_of(20, 4.0)), "kept", 1e-6, 20)
    assert found["circuit"] == 2.0 and found["passes"] is False


@pytest.mark.parametrize(("changed", "rounding", "n_sets", "why"), [
    ({"none_kept": 5.0}, 0.0, 20, "differ by less than 10 roundings"),
    ({"none_kept": 4.0}, 0.11, 20, "differ by less than 10 roundings"),
    ({"circuit_kept": float("nan")}, 1e-6, 20, "not finite"),
    ({}, 1e-6, 9, "fewer than 10 matched sets"),
])
def test_what_is_not_known_says_why(changed, rounding, n_sets, why):
    found = faithfulness(values(circuit_kept=4.9, **sets_of(20, 1.0)) | changed, "kept", rounding, n_sets)
    assert found["passes"] is None and why in found["why"]
    assert (found["circuit"] is None) == (n_sets == 20)


def test_values_are_means_over_dates():
    assert mean_values({"2022-01-01": {"clean": 1.0}, "2022-02-01": {"clean": 4.0}}) == {"clean": 2.5}


def test_the_word_names_each_control_that_speaks_against_the_circuit():
    def found(*passes):
        known = [{"passes": each, "why": None if each is not None else "one date alone"} for each in passes]
        return word_of({"kept": known[0], "removed": known[1]}, known[2])

    assert found(True, True, True) == (WORDS[0], [])
    word, against = found(False, True, None)
    assert word == WORDS[1] and len(against) == 2 and "errors kept" in against[0] and "one date alone" in against[1]
    assert found(True, None, True)[0] == WORDS[2]
    assert found(True, True, False) == (WORDS[1], ["Edges agree between two sets of dates hardly better than those of random features."])


def test_neighbours_and_the_two_sides_of_the_skip_are_joined():
    assert DEFAULT_BLOCKS == ("encoder_s0_b3", "encoder_s1_b5", "encoder_s2_b4", "decoder_s0_b4", "decoder_s1_b5", "decoder_s2_b3")
    found = pairs_of(DEFAULT_BLOCKS[::-1])
    assert len(found) == 6 and [pair for pair in found if is_skip(*pair)] == [("encoder_s0_b3", "decoder_s2_b3")]
    assert pairs_of(["decoder_s2_b3", "encoder_s0_b3"]) == (("encoder_s0_b3", "decoder_s2_b3"),)
    blocks = ["encoder_s0_b0", "encoder_s0_b5", "decoder_s2_b1", "decoder_s2_b5"]
    assert pairs_of(blocks) == tuple(itertools.pairwise(blocks))
