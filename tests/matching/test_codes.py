"""Features matched by what they do: planted ones across stages, chance, places, signs, and sums against the definition."""

import numpy as np
import pytest
from aurorascope.matching import codes
from aurorascope.matching.codes import match_codes
from aurorascope.matching.swaps import swap_dates

from tests.matching.made import AREA_P, SWAPS, TIMES, correlation, read, weather

N_A, N_B = 14, 20


def match(a, b, swaps=SWAPS, signed=False, area_p=AREA_P):
    return match_codes(read(a, b), swaps, area_p, (a.shape[-1], b.shape[-1]), signed)


def planted(noise=1.0):
    """The second's features 4 to 11 are the first's 0 to 7, in another order, with noise; the rest have nothing in common."""
    a, b, order = weather(N_A), weather(N_B, 1), np.random.default_rng(3).permutation(8)
    b[..., 4:12] = a[..., order] + noise * b[..., 4:12]
    return a, b, order


def test_planted_features_of_another_stage_are_found():
    a, b, order = planted()
    found = match(a, b)
    partner = dict(zip(found.a.tolist(), found.b.tolist(), strict=True))
    assert [partner[feature] for feature in order] == list(range(4, 12))
    table = found.table().set_index("feature_a")
    assert table.loc[order, "is_above_chance"].all() and table["is_above_chance"].sum() <= 9
    assert found.content()["n_matched"] == N_A and found.content()["share_above_chance"] >= 8 / N_A


@pytest.mark.parametrize("signed", [False, True])
def test_scores_are_correlations_by_definition(signed):
    """Of each pair, about the means at each place, and about one mean; with signs of the values, too."""
    a, b, _ = planted()
    if signed:
        a[..., 2], b[..., 7] = -a[..., 2], -b[..., 7]
    found = match(a, b, signed=signed)
    for first, second, sign, score, plain in zip(found.a, found.b, found.sign, found.score, found.plain, strict=True):
        x, y = a[..., first], b[..., second]
        assert sign * score == pytest.approx(correlation(x, y), abs=1e-12)
        assert plain == pytest.approx(correlation(x, y, about_places=False), abs=1e-12)
    assert (found.sign.min() == -1) == signed
    # No other pairing has a larger sum: that of chance alone, say.
    assert found.score.sum() >= sum(correlation(a[..., at], b[..., at]) for at in range(N_A))


def test_chance_is_the_same_with_other_dates():
    """Nothing in common: as many above chance as chance has. The level is that of the swapped dates' own best pairs."""
    found = [match(weather(60, seed), weather(60, seed + 100)).content() for seed in range(4)]
    assert 0 < np.mean([content["share_above_chance"] for content in found]) < 0.12
    a, b, _ = planted()
    # Pairs are read one after the other, so that each snapshot's neighbour is the one that it is taken for.
    swapped = b.reshape(-1, 2, *b.shape[1:])[:, ::-1].reshape(b.shape)
    np.testing.assert_allclose(match(a, b).chance.scores, match(a, swapped).score, rtol=0, atol=1e-12)


def test_following_a_place_alone_is_nothing_in_common():
    """Two features that are strong at the same places and vary by themselves: alike about one mean, not about the places' means."""
    a, b = weather(6), weather(6, 1)
    place = np.linspace(0, 20, len(AREA_P))
    a[..., 0] += place
    b[..., 5] += place
    x, y = a[..., 0], b[..., 5]
    assert correlation(x, y, about_places=False) > 0.95 and abs(correlation(x, y)) < 0.1
    b[..., 2] = a[..., 0] * 0.5
    found = match(a, b)
    assert found.b[list(found.a).index(0)] == 2 and found.score[list(found.a).index(0)] == pytest.approx(1)
    assert found.content()["score_mean"] < 0.4


def test_following_the_sun_alone_is_nothing_in_common():
    """Strong by day and weak by night at each place: neither alike, nor does it raise the level of chance, whose dates keep their hour."""
    a, b = weather(6), weather(6, 1)
    level = match(a, b).chance.level
    a[:12, :, 0] += 9
    b[:12, :, 5] += 9
    assert correlation(a[..., 0], b[..., 5], about_places=False) > 0.9
    found = match(a, b)
    assert found.chance.level == pytest.approx(level, abs=1e-9) and found.score.max() < 0.4


def test_features_that_never_vary_are_left_out():
    """Never on, or the same at all dates."""
    a, b = weather(5), weather(7, 1)
    a[..., 1], b[..., 3] = 0, np.linspace(0.1, 0.7, len(AREA_P))
    found = match(a, b)
    assert found.n == (4, 6) and 1 not in found.a and 3 not in found.b and found.facts["n_on"] == [4, 7]
    nothing = match(a * 0, b).content()
    assert nothing["n_matched"] == 0 and nothing["share_above_chance"] is None and nothing["reason"]


def test_a_date_without_another_counts_all_the_same():
    """Of an odd number of dates one is left: scores are of all of them, chance of those that have another."""
    times = [f"2022-06-{1 + day:02d}T12:00:00Z" for day in range(9)]
    swaps = swap_dates(times)
    [hour] = swaps.hours
    assert len(hour.pairs) == 4 and hour.alone == (8,) and swaps.days == 4
    a, b = weather(5, swaps=swaps), weather(5, 1, swaps=swaps)
    found = match(a, b, swaps)
    for first, second, score in zip(found.a, found.b, found.score, strict=True):
        assert score == pytest.approx(correlation(a[..., first], b[..., second], swaps), abs=1e-12)
    even = swap_dates(times[:8])
    assert np.array_equal(found.chance.scores, match(a[:8], b[:8], even).chance.scores) and found.facts["n_snapshots"] == 9


def test_few_dates_have_no_chance_to_compare_with():
    swaps = swap_dates(TIMES[:6])
    a, b = weather(5, swaps=swaps), weather(5, 1, swaps=swaps)
    content = match(a, b, swaps).content()
    assert content["n_matched"] == 5 and content["chance"] is content["share_above_chance"] is content["n_above_chance"] is None
    assert content["reason"].startswith("3 held-out dates, fewer than 4")
    assert match(a, b, swaps).table()["is_above_chance"].isna().all()


def test_dates_are_taken_for_others_half_of_them_away():
    assert SWAPS.days == 6 and sorted(SWAPS.order) == list(range(24)) and len(SWAPS.hours) == 2
    for hour in SWAPS.hours:
        assert hour.alone == () and len({TIMES[place][11:] for place in hour.order}) == 1


def test_pieces_change_no_number(monkeypatch):
    a, b, _ = planted()
    whole = match(a, b)
    monkeypatch.setattr(codes, "_ENTRIES", 64)
    pieces = match(a, b)
    assert np.array_equal(whole.a, pieces.a) and np.array_equal(whole.b, pieces.b)
    np.testing.assert_allclose(pieces.score, whole.score, rtol=0, atol=1e-14)
    np.testing.assert_allclose(pieces.plain, whole.plain, rtol=0, atol=1e-14)
