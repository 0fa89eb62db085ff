"""Scores of responses: sign flips and false discoveries against their definitions, linearity against closed forms, whole tables."""

import itertools

import numpy as np
import pytest
from aurorascope.errors import UserError
from aurorascope.perturbations import significance
from aurorascope.perturbations.responses import Response
from aurorascope.perturbations.scores import linearity, score
from aurorascope.perturbations.significance import benjamini_hochberg, date_groups, fewest_rejected, flip_p


def brute_force_p(values):
    observed = abs(sum(values))
    totals = [abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in itertools.product((1, -1), repeat=len(values))]
    return sum(total >= observed * (1 - 1e-9) for total in totals) / len(totals)


def test_p_is_the_share_of_all_flips_with_as_large_a_mean():
    change = np.random.default_rng(0).standard_normal((7, 30))
    change[:, 0], change[:, 1] = np.arange(1, 8), 0
    np.testing.assert_allclose(flip_p(change, np.arange(len(change))), [brute_force_p(values) for values in change.T])
    assert flip_p(change, np.arange(len(change)))[0] == 2 / 2**7 and flip_p(change, np.arange(len(change)))[1] == 1


def test_p_of_many_dates_has_drawn_flips_and_is_right_about_noise():
    change = np.random.default_rng(1).standard_normal((20, 4000))
    change[:, 0] = np.abs(change[:, 0]) + 0.1
    found = flip_p(change, np.arange(20), seed=3)
    assert found[0] == 1 / 4096
    for level in (0.05, 0.2):
        assert (found <= level).mean() == pytest.approx(level, abs=4 * np.sqrt(level / 4000))
    np.testing.assert_array_equal(found, flip_p(change, np.arange(20), seed=3))


def test_dates_of_one_weather_are_flipped_together():
    times = ["2022-06-01T00:00:00Z", "2022-06-01T12:00:00Z", "2022-06-03T12:00:00Z", "2022-06-04T12:00:00Z", "2022-06-20T12:00:00Z"]
    assert date_groups(times, 1).tolist() == [0, 0, 1, 2, 3]
    assert date_groups(times, 6).tolist() == [0, 0, 0, 0, 1]
    change = np.random.default_rng(5).standard_normal((5, 20))
    grouped = np.stack([change[:2].sum(axis=0), *change[2:]])
    np.testing.assert_array_equal(flip_p(change, date_groups(times, 1)), flip_p(grouped, np.arange(4)))


def test_features_are_compared_alone(monkeypatch):
    change = np.random.default_rng(2).standard_normal((6, 11))
    whole = flip_p(change, np.arange(len(change)))
    monkeypatch.setattr(significance, "_FEATURES", 4)
    np.testing.assert_array_equal(flip_p(change, np.arange(len(change))), whole)


def test_q_is_benjamini_and_hochberg_s():
    p = np.array([0.01, 0.04, 0.03, 0.005, 0.5])
    np.testing.assert_allclose(benjamini_hochberg(p), [0.025, 0.05, 0.05, 0.025, 0.5])
    rng = np.random.default_rng(3)
    p = np.concatenate([rng.uniform(0, 1, 200), rng.uniform(0, 1e-4, 20)])
    q = benjamini_hochberg(p)
    for level in (0.01, 0.05, 0.3):
        passed = [k for k in range(1, len(p) + 1) if np.sort(p)[k - 1] <= level * k / len(p)]
        assert (q <= level + 1e-12).sum() == (max(passed) if passed else 0)


def test_few_dates_can_reject_nothing():
    assert fewest_rejected(5, 100) == 125
    assert fewest_rejected(6, 100) == 63
    assert fewest_rejected(13, 4096) == 20


def test_linearity_of_known_curves():
    doses = [-0.5, -0.1, 0.1, 0.5]
    e = np.array(doses)
    slope, r2, asymmetry = linearity(doses, np.stack([3 * e, e**2, np.abs(e) * (e > 0), 0 * e], 1))
    np.testing.assert_allclose(slope[:3], [3, 0, 0.5], atol=1e-15)
    np.testing.assert_allclose(r2[:3], [1, 0, 0.5], atol=1e-15)
    np.testing.assert_allclose(asymmetry[:3], [0, 1, 1], atol=1e-15)
    assert np.isnan([slope[3], r2[3], asymmetry[3]]).all()
    assert np.isnan(linearity([0.1, 0.5], np.ones((2, 1)))[2]).all()


TIMES = [f"2022-06-{day:02d}T12:00:00Z" for day in range(1, 9)]


def responses(change_dlf, clean_dlf, regions=("here", "there")):
    """One response a date, with the second region's a hundred times as large."""
    return [
        Response(time, regions, np.stack([clean, 100 * clean]), np.stack([change, 100 * change]))
        for time, change, clean in zip(TIMES, change_dlf, clean_dlf, strict=True)
    ]


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(4)
    clean = rng.normal(5, 2, (8, 2, 3))
    # Feature 0 responds on all dates, feature 1 with either sign, feature 2 not at all; on level 1 all are half as large.
    unit = np.stack([np.linspace(1, 2, 8), np.tile([1, -1], 4), np.zeros(8)], 1)[:, None, :] * np.array([[1.0], [0.5]])
    by_dose = {e: responses(e * unit, clean) for e in (-0.5, -0.1, 0.1, 0.5)}
    controls = {"east": responses(0.01 * unit, clean), "other": responses(0.04 * unit[::-1], clean)}
    return clean, unit, by_dose, controls


def test_a_table_has_what_was_planted(planted):
    clean, unit, by_dose, controls = planted
    found = score(by_dose, controls, region="here", dose=0.1, signed=False)
    assert found[["level", "feature", "sign"]].values.tolist() == [[level, f, 1] for level in (0, 1) for f in (0, 1, 2)]
    change, clean = 0.1 * unit.reshape(8, 6), clean.reshape(8, 6)
    np.testing.assert_allclose(found["change"], change.mean(axis=0), atol=1e-15)
    np.testing.assert_allclose(found["mean"], clean.mean(axis=0))
    np.testing.assert_allclose(found["spread"], clean.std(axis=0, ddof=1))
    np.testing.assert_allclose(found["z"], change.mean(axis=0) / clean.std(axis=0, ddof=1), atol=1e-12)
    assert found["agree"].tolist() == [1, 0, 0] * 2
    assert found["p"].tolist()[::3] == [2 / 2**8] * 2
    # Of four features that respond, two have the smallest p.
    assert found["q"].tolist()[::3] == [2 / 2**8 * 4 / 2] * 2
    assert found["q"].tolist()[1::3] == [1, 1] and found["q"].tolist()[2::3] == [1, 1]
    np.testing.assert_allclose(found["slope"][::3], unit.mean(axis=0)[:, 0])
    np.testing.assert_allclose(found["r2"][::3], 1)
    np.testing.assert_allclose(found["asymmetry"][::3], 0, atol=1e-15)
    np.testing.assert_allclose(found["change_other"][::3], 0.4 * found["change"][::3])
    assert found["beyond_controls"].tolist() == [True, False, False] * 2


def test_a_control_may_have_a_region_of_its_own(planted):
    _, unit, by_dose, controls = planted
    found = score(by_dose, controls, region="here", dose=0.1, signed=False, control_regions={"east": "there"})
    np.testing.assert_allclose(found["change_east"], unit.reshape(8, 6).mean(axis=0), atol=1e-15)
    assert not found["beyond_controls"].any()


def test_the_order_of_dates_changes_no_bit(planted):
    _, _, by_dose, controls = planted
    args = {"region": "here", "dose": 0.5, "signed": False}
    turned = {e: found[::-1] for e, found in reversed(by_dose.items())}
    assert score(by_dose, controls, **args).equals(score(turned, {name: found[3:] + found[:3] for name, found in controls.items()}, **args))


def test_signed_features_are_two_each(planted):
    _, _, by_dose, _ = planted
    pairs = {e: [Response(r.time, r.regions, r.clean_rlf[..., :2], r.change_rlf[..., :2]) for r in found] for e, found in by_dose.items()}
    assert score(pairs, {}, region="here", dose=0.1, signed=True)[["feature", "sign"]].values.tolist() == [[0, 1], [0, -1]] * 2


def test_one_date_has_no_spread_and_no_p(planted):
    _, _, by_dose, _ = planted
    found = score({e: one[:1] for e, one in by_dose.items()}, {}, region="here", dose=0.1, signed=False)
    assert found["spread"].isna().all() and found["z"].isna().all() and (found["p"] == 1).all()


def test_days_that_are_near_count_as_one(planted):
    _, _, by_dose, _ = planted
    found = score(by_dose, {}, region="here", dose=0.1, signed=False, apart_days=2)
    assert (found["p"] == 1).all() and (found["agree"][::3] == 1).all()


def test_what_cannot_be_compared_is_refused(planted):
    _, _, by_dose, controls = planted
    with pytest.raises(UserError, match="dose 0.2"):
        score(by_dose, {}, region="here", dose=0.2, signed=False)
    for bad in ({"east": controls["east"][1:]}, {"east": controls["east"][:-1] + controls["east"][:1]}):
        with pytest.raises(UserError, match="responses of east"):
            score(by_dose, bad, region="here", dose=0.1, signed=False)
