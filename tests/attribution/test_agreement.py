"""What a record says: quotients that say nothing are null with a reason, and words follow from numbers."""

import json

import numpy as np
import pandas as pd
import pytest
from aurorascope.attribution.agreement import IS_TRUSTED, NOT_TRUSTED, UNKNOWN, agreement, quotient, strongest, word
from aurorascope.attribution.checks import Checked
from aurorascope.attribution.entries import Coding
from aurorascope.attribution.parts import Effects
from aurorascope.attribution.projection import Projected
from aurorascope.attribution.record import summary_of, table_of

FLOOR = 1e-6
SIGNED, PLAIN = Coding(2, True), Coding(4, False)


@pytest.mark.parametrize(("numerator", "denominator", "expected", "reason"), [
    (2.0, 4.0, 0.5, None),
    (2.0, 0.0, None, "below 10 roundings"),
    (2.0, 9e-6, None, "below 10 roundings"),
    (2.0, -0.5, -4.0, None),
    (2.0, float("nan"), None, "not finite"),
    (float("inf"), 1.0, None, "not finite"),
])
def test_a_quotient_is_null_where_its_denominator_says_nothing(numerator, denominator, expected, reason):
    found, why = quotient(numerator, denominator, FLOOR, "the change")
    assert found == expected and (why is None if reason is None else reason in why)


def test_a_floor_of_zero_does_not_let_zero_pass():
    assert quotient(1.0, 0.0, 0.0, "it")[0] is None


def test_agreement_of_planted_effects():
    """Slope 2 with one sign turned; an exact effect below the floor has no sign; one that is not finite does not count."""
    effect, exact = [1.0, 2.0, -3.0, 0.5, 9.0], [2.0, 4.0, -6.0, 1e-9, float("nan")]
    found = agreement(effect, exact, FLOOR)
    assert found["n"] == 4 and found["n_signed"] == 3 and found["sign_agreement"] == 1
    assert found["correlation"] == pytest.approx(np.corrcoef(effect[:4], exact[:4])[0, 1])
    assert found["slope"] == pytest.approx(np.dot(effect[:4], exact[:4]) / np.dot(effect[:4], effect[:4]))
    turned = agreement(effect, [2.0, -4.0, -6.0, 1.0, float("nan")], FLOOR)
    assert turned["sign_agreement"] == 0.75


@pytest.mark.parametrize(("effect", "exact", "null", "reason"), [
    ([], [], {"slope", "correlation", "sign_agreement"}, "no feature has an attribution"),
    ([1.0, 2.0], [1.0, 2.0], {"correlation"}, "fewer than 3"),
    ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], {"correlation"}, "all the same"),
    ([1.0, 2.0, 3.0], [1e-9, -1e-9, 2e-9], {"correlation", "sign_agreement"}, "no exact effect"),
    ([1.0, 2.0, 3.0], [float("nan")] * 3, {"slope", "correlation", "sign_agreement"}, "no exact effect"),
])
def test_numbers_that_say_nothing_are_null_with_a_reason(effect, exact, null, reason):
    found = agreement(effect, exact, FLOOR)
    assert {key for key in ("slope", "correlation", "sign_agreement") if found[key] is None} == null == set(found["why"])
    assert any(reason in each for each in found["why"].values())
    json.dumps(found, allow_nan=False)


def test_the_word_follows_from_the_correlation():
    assert word(None) == word({"correlation": None}) == UNKNOWN
    assert word({"correlation": 0.49}) == NOT_TRUSTED and word({"correlation": 0.5}) == IS_TRUSTED
    assert word({"correlation": -1.0}) == NOT_TRUSTED


def test_the_strongest_are_by_magnitude_and_have_an_effect():
    assert strongest(np.array([0.0, -3.0, 1.0, 3.0, 0.0]), 4).tolist() == [1, 3, 2]
    assert strongest(np.array([1.0, 2.0]), 0).tolist() == []


def effects_of(effect, total, y=1.0):
    n_active = (np.asarray(effect) != 0).astype(np.int64) * 5
    return Effects(Projected(np.asarray(effect, np.float64), total, n_active, n_active * 2.0, 10), y, FLOOR)


def test_effects_and_error_add_up_to_the_total_on_each_date_and_on_all():
    effects = {"a": effects_of([1, -2, 0, 0.5], 0.25), "b": effects_of([3, 0, 0, 0.5], 2.0, y=3.0)}
    checks = {"a": Checked(np.array([1.1, -2.2]), 0.5, 1.0, FLOOR), "b": Checked(np.array([2.9, float("nan")]), 0.0, 3.0, FLOOR)}
    features = np.array([0, 1])
    found = summary_of(["a", "b"], effects, features, checks)
    for each in (found, *found["by_date"].values()):
        assert each["features"] + each["error"] == pytest.approx(each["total"], abs=1e-15)
    assert found["total"] == 1.125 and found["features"] == 1.5 and found["y"] == 2 and found["absolute"] == 3.5
    assert found["by_date"]["a"]["completeness"] == 0.5 and found["completeness"] == 1.125 / 0.25
    assert found["by_date"]["b"]["completeness"] is None and "below 10 roundings" in found["by_date"]["b"]["why_no_completeness"]
    # A feature without an exact effect on one date has none.
    assert found["agreement"]["n"] == 1 and found["word"] == UNKNOWN
    json.dumps(found, allow_nan=False)


def test_a_forecast_that_is_not_finite_is_null():
    effects = {"a": effects_of([1, 2, 3, 4], 10.0)}
    found = summary_of(["a"], effects, np.array([0]), {"a": Checked(np.array([np.nan]), float("nan"), 1.0, FLOOR)})
    assert found["at_mean"] is None and found["completeness"] is None and "not finite" in found["why_no_completeness"]
    json.dumps(found, allow_nan=False)


def test_the_table_has_a_row_a_feature_and_signs_of_signed_ones(tmp_path):
    effects = {"a": effects_of([1, -2, 0, 0.5], 0.25), "b": effects_of([3, 0, 0, 0.5], 2.0)}
    checks = {"a": Checked(np.array([0.5, 9.0]), 1.0, 1.0, FLOOR), "b": Checked(np.array([1.5, 9.0]), 1.0, 1.0, FLOOR)}
    for coding, feature, sign in ((SIGNED, [0, 0, 1, 1], [1, -1, 1, -1]), (PLAIN, [0, 1, 2, 3], [1] * 4)):
        table_of(coding, ["a", "b"], effects, np.array([3, 0]), checks).to_parquet(tmp_path / "table.parquet")
        table = pd.read_parquet(tmp_path / "table.parquet")
        assert table.feature.tolist() == feature and table.sign.tolist() == sign
        assert table.effect.tolist() == [2, -1, 0, 0.5] and [each.tolist() for each in table.effect_by_date][1] == [-2, 0]
        assert table.exact.tolist()[::3] == [9.0, 1.0] and table.exact.isna().tolist() == [False, True, True, False]
        assert table.exact_by_date[3].tolist() == [0.5, 1.5] and table.exact_by_date[1] is None
        assert table.n_active.tolist() == [10, 5, 0, 10] and table.density.tolist() == [0.5, 0.25, 0, 0.5]
        assert table.active_mean.isna().tolist() == [False, False, True, False] and table.active_mean[0] == 2
