"""Features matched by directions: a copy in another order, other seeds, chance, signs, and what cannot be matched."""

import numpy as np
import pytest
from aurorascope.blocks import BY_ID
from aurorascope.matching.directions import match_directions
from aurorascope.matching.matched import above_chance
from aurorascope.measures.stability.compare import assigned, unit_rows
from aurorascope.measures.stability.measure import _compared
from threadpoolctl import threadpool_limits

from tests.matching.made import directions, sae_of

N, D = 80, 20


def match(a, b, alive_a=None, alive_b=None, signed=False, places=(3, 4)):
    alive = [np.ones(len(W), bool) if each is None else each for W, each in ((a, alive_a), (b, alive_b))]
    return match_directions(a, b, *alive, signed, places)


@pytest.mark.parametrize("signed", [False, True])
def test_a_copy_in_another_order_is_matched_wholly(signed):
    """Every feature with itself, each above chance; directions turned round are found with their sign, where features have signs."""
    a, order = directions(N, D), np.random.default_rng(1).permutation(N)
    turned = np.where(np.arange(N) % 3 == 0, -1, 1) if signed else np.ones(N, int)
    found = match(a, (a * 7 * turned[:, None])[order].astype(np.float32), signed=signed)
    assert np.array_equal(found.a, np.arange(N)) and np.array_equal(found.b, np.argsort(order)) and np.array_equal(found.sign, turned)
    content = found.content()
    assert (content["n_matched"], content["share_above_chance"], content["share_alike"]) == (N, 1, 1)
    assert content["score_mean"] == pytest.approx(1) and content["nearest_mean"] == pytest.approx(1)
    assert len(above_chance(found.table())) == N


@pytest.mark.parametrize("signed", [False, True])
def test_a_dictionary_of_random_directions_is_matched_as_chance_has_it(signed):
    """About a twentieth of its pairs are above the level that a twentieth of chance's are above."""
    drawn = [(directions(400, 16, 2 * seed), directions(400, 16, 2 * seed + 1)) for seed in range(5)]
    contents = [match(*both, signed=signed, places=(place, 9)).content() for place, both in enumerate(drawn)]
    assert 0.02 < np.mean([content["share_above_chance"] for content in contents]) < 0.09
    for content in contents:
        assert content["score_mean"] == pytest.approx(content["chance"]["mean"], abs=0.02)


def test_chance_knows_how_directions_are_spread():
    """Directions of few channels are alike whatever they stand for; isotropic chance would find nearly all of them above it."""
    narrow = np.diag([*[5.0] * 4, *[0.05] * 16]).astype(np.float32)
    content = match(directions(400, D) @ narrow, directions(400, D, 1) @ narrow).content()
    assert content["share_alike"] > 0.9 and content["chance"]["share_alike"] > 0.9 and content["share_above_chance"] < 0.12


@pytest.mark.parametrize("signed", [False, True])
def test_other_seeds_give_what_stability_gives(signed):
    """The same pairs, cosines, mean, share and nearest, from the very dictionaries of a comparison of seeds."""
    rows, alive = [directions(N, D, seed) for seed in (0, 1)], [np.random.default_rng(seed).random(N) < 0.8 for seed in (5, 6)]
    rows[1][:40] = rows[0][40:] + directions(40, D, 2) * 0.3
    record, matches = _compared(BY_ID["encoder_s1_b5"], [0, 1], [sae_of(W, signed) for W in rows], alive, np.eye(D))
    found, [pair] = match(*rows, *alive, signed), record["pairs"]
    content, table = found.content(), found.table()
    assert content["n_features"] == record["n_alive"]
    assert [content[name] for name in ("n_matched", "score_mean", "share_alike", "nearest_mean")] == [
        pair[name] for name in ("n_matched", "mcc", "share_matched", "mmcs")
    ]
    assert np.array_equal(table["feature_a"], matches["feature_a"]) and np.array_equal(table["feature_b"], matches["feature_b"])
    assert np.array_equal(table["score"], matches["cosine"]) and content["score_mean"] > content["chance"]["mean"]


def test_a_match_of_latents_is_that_of_the_features_of_both_signs():
    """Counted as two, features of signed latents are matched with as large a sum, both of a latent with both of another."""
    a, b = directions(12, 5), directions(12, 5, 1)
    found = match(a, b, signed=True)
    both_a, both_b = (unit_rows(np.concatenate([W, -W])) for W in (a, b))
    cosine = both_a @ both_b.T
    at_a, at_b = assigned(cosine).T
    assert cosine[at_a, at_b].sum() == pytest.approx(2 * found.score.sum())
    assert found.sign.min() == -1
    for first, second, sign, score in zip(found.a, found.b, found.sign, found.score, strict=True):
        assert cosine[first, second + (12 if sign < 0 else 0)] == pytest.approx(score)


def test_features_that_are_never_on_or_have_no_direction_are_left_out():
    a, b = directions(N, D), directions(N + 9, D, 1)
    a[7] = 0
    alive = np.arange(N) != 3
    found = match(a, b, alive_a=alive)
    assert found.n == (N - 2, N + 9) and not {3, 7} & set(found.a) and len(found.score) == N - 2
    nothing = match(a, b, alive_a=np.zeros(N, bool)).content()
    assert (nothing["n_matched"], nothing["score_mean"], nothing["share_above_chance"], nothing["chance"]) == (0, None, None, None)
    assert "ever on" in nothing["reason"]


def test_the_same_bits_again_whatever_the_threads():
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(match(directions(60, 16), directions(60, 16, 1)))
    first, second = (each.table() for each in found)
    assert first.equals(second) and np.array_equal(found[0].chance.scores, found[1].chance.scores)
    other = match(directions(60, 16), directions(60, 16, 1), places=(3, 5))
    assert not np.array_equal(found[0].chance.scores, other.chance.scores)
