"""How alike two dictionaries are: closed forms, brute force, and what must not matter."""

import itertools

import numpy as np
import pytest
from aurorascope.measures.stability import compare as module
from aurorascope.measures.stability.compare import compare, random_rows, unit_rows
from aurorascope.measures.stability.formulas import CHANCES, STABILITY_FORMULAS
from aurorascope.measures.stability.measure import metrics
from hypothesis import given, settings
from hypothesis import strategies as st


def directions(n, d, seed=0):
    return unit_rows(np.random.default_rng(seed).standard_normal((n, d)))


def plane(*degrees):
    """Unit vectors of a plane."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.mark.parametrize("signed", [False, True])
def test_a_dictionary_is_like_itself_in_any_order(signed):
    """Cosines, share and nearest are 1, and every row is matched with itself."""
    rows, order = directions(40, 6), np.random.default_rng(1).permutation(40)
    for other, places in ((rows, np.arange(40)), (rows[order], np.argsort(order))):
        found = compare(rows, other, signed)
        assert (found.mcc, found.share, found.mmcs) == pytest.approx((1, 1, 1), abs=1e-12)
        assert np.array_equal(found.matched, np.stack([np.arange(40), places], axis=1))


def test_opposite_directions_are_the_same_only_where_features_have_signs():
    """-W matched with W: magnitudes are 1; with signs, cosines lie below."""
    rows = directions(12, 5)
    assert compare(rows, -rows, True).mcc == pytest.approx(1)
    assert compare(rows, -rows, False).mcc < 0.9


def test_matching_is_one_to_one_and_the_nearest_is_not():
    """Two rows have the same nearest: only one can be matched with it."""
    found = compare(plane(0, 10), plane(0, 90), False)
    # 0 with 0 and 10 with 90 sums to 1 + cos 80; the other way, to cos 90 + cos 10.
    cos = lambda degrees: np.cos(np.radians(degrees))  # noqa: E731
    assert found.cosines == pytest.approx([1, cos(80)])
    assert found.mcc == pytest.approx((1 + cos(80)) / 2) and found.share == 0.5
    assert found.mmcs == pytest.approx(((1 + cos(10)) / 2 + (1 + cos(80)) / 2) / 2)


def test_the_best_sum_may_leave_the_best_pair():
    """The nearest pair is given up where two others gain more; a greedy matching would keep it."""
    a, b = plane(0, 40), plane(10, -60)
    assert np.array_equal(compare(a, b, False).matched, [[0, 1], [1, 0]])
    assert np.argmax(a @ b.T) == 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("signed", [False, True])
def test_matching_equals_trying_all(seed, signed):
    """5 x 5, all 120 assignments; and 5 x 3, all injections."""
    a, b = directions(5, 3, seed), directions(5, 3, seed + 100)
    cosine = np.abs(a @ b.T) if signed else a @ b.T
    for m in (5, 3):
        best = max(sum(cosine[i, j] for j, i in enumerate(order)) for order in itertools.permutations(range(5), m))
        for found in (compare(a, b[:m], signed), compare(b[:m], a, signed)):
            assert found.cosines.sum() == pytest.approx(best, rel=1e-12) and len(found.cosines) == m
            assert found.mcc == pytest.approx(best / m)
            assert found.share == pytest.approx((found.cosines > 0.7).sum() / ((5 + m) / 2))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(2, 6), st.integers(0, 99), st.booleans())
def test_order_and_direction_of_comparison_do_not_matter(n_a, n_b, d, seed, signed):
    """Rows in any order, either dictionary first, turned together: the same figures; the nearest is never farther."""
    a, b = directions(n_a, d, seed), directions(n_b, d, seed + 1)
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.standard_normal((d, d)))[0]
    whole = compare(a, b, signed)
    for other in (
        compare(b, a, signed), compare(a[rng.permutation(n_a)], b[rng.permutation(n_b)], signed), compare(a @ turn, b @ turn, signed)
    ):
        assert (other.mcc, other.share, other.mmcs) == pytest.approx((whole.mcc, whole.share, whole.mmcs), abs=1e-9)
    assert whole.mcc <= 1 + 1e-12
    assert n_a != n_b or whole.mmcs >= whole.mcc - 1e-12


def test_random_dictionaries_are_as_alike_as_chance():
    """Independent isotropic ones score what the null draws score, far below 1; few dimensions leave little room."""
    rng, d = np.random.default_rng(3), 32
    chance = compare(*(random_rows(300, np.eye(d), rng) for _ in range(2)), False)
    found = compare(directions(300, d, 8), directions(300, d, 9), False)
    assert found.mcc == pytest.approx(chance.mcc, abs=0.02) and found.mmcs == pytest.approx(chance.mmcs, abs=0.02)
    assert max(found.share, chance.share) < 0.02 and 0.3 < found.mcc < 0.6
    flat = compare(*(random_rows(300, np.diag([1.0, 1.0, *[1e-8] * (d - 2)]), rng) for _ in range(2)), False)
    assert flat.mcc > 0.95 and flat.share > 0.95


def test_random_directions_have_the_covariance():
    """Unit rows, spread along the eigenvectors as the covariance is; of any unit; none where nothing varies."""
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    second = basis @ np.diag([100.0, 1.0, 0.0]) @ basis.T
    rows = random_rows(20_000, second, np.random.default_rng(1))
    assert np.linalg.norm(rows, axis=1) == pytest.approx(1)
    along = rows @ basis
    assert np.abs(along[:, 2]).max() < 1e-4
    # The ratio of two normal variables of spreads 10 and 1 has the median 10 of magnitudes.
    assert np.median(np.abs(along[:, 0] / along[:, 1])) == pytest.approx(10, rel=0.05)
    np.testing.assert_allclose(random_rows(20_000, second * 2.0**40, np.random.default_rng(1)), rows, atol=1e-12)
    assert random_rows(5, np.zeros((3, 3)), np.random.default_rng(1)).shape == (0, 3)


def test_what_cannot_be_compared_is_null(monkeypatch):
    """An empty side has nothing; too many rows are not matched, and still have their nearest."""
    a, b = directions(2500, 4), directions(1100, 4, 1)
    nothing = compare(a[:0], b, False)
    assert (nothing.mcc, nothing.share, nothing.mmcs) == (None, None, None) and nothing.matched.shape == (0, 2)
    whole = compare(a, b, False)
    monkeypatch.setattr(module, "MOST_MATCHED", 2499)
    many = compare(a, b, False)
    assert (many.mcc, many.share) == (None, None) and many.mmcs == pytest.approx(whole.mmcs, rel=1e-12)


def test_metrics_are_means_over_pairs():
    """Three seeds, three pairs; null where one pair is; every metric has a definition and none is without a number."""
    seeds = [directions(8, 4, seed) for seed in range(3)]
    pairs = [compare(a, b, False) for a, b in itertools.combinations(seeds, 2)]
    chance = {name: compare(seeds[0], seeds[0], False) for name in CHANCES}
    found = metrics(pairs, chance, [8, 8, 8])
    assert list(found) == list(STABILITY_FORMULAS)
    assert found["pw_mcc"] == pytest.approx(sum(pair.mcc for pair in pairs) / 3)
    assert found["mmcs"] == pytest.approx(sum(pair.mmcs for pair in pairs) / 3)
    assert found["pw_mcc_random"] == pytest.approx(1) and found["share_matched_random_pca"] == 1
    assert (found["n_stability_seeds"], found["n_stability_features"]) == (3, 8)
    empty = compare(seeds[0][:0], seeds[1], False)
    assert metrics([*pairs, empty], chance, [8, 0])["pw_mcc"] is None
