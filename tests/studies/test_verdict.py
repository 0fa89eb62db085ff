"""Words and numbers from tables of effects whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from aurorascope.interventions import InterventionWarning
from aurorascope.studies import judge, run_study
from aurorascope.studies.study import DOSES

from tests.studies import linear, planted

ASKED = planted.study(planted.STRONG)
MANY = tuple(f"2022-{month:02d}-01" for month in range(1, 7))


def table(effect_of, controls, dates=MANY, again=0.0, rounding=0.0, share=1.0):
    """Rows as a run leaves them: the effect of a dose at a date, and of each control."""
    arms = [("clean_again_0", "clean_again", 0.0)]
    arms += [(f"{kind}_{dose:g}", kind, sign * dose) for kind, sign in (("feature", 1), ("minus_feature", -1)) for dose in DOSES]
    arms += [(f"control_{at:02d}", "control", 1.0) for at in range(len(controls))]
    rows = []
    for at, date in enumerate(dates):
        for name, kind, dose in arms:
            effect = again if kind == "clean_again" else controls[int(name[-2:])] if kind == "control" else effect_of(dose, at)
            exposure = share if np.isscalar(share) else share[at]
            rows.append({
                "date": date, "arm": name, "kind": kind, "dose": dose, "step": 1, "outcome": "warmth", "effect": effect,
                "rounding": rounding, "exposure_share": exposure, "size": 0.5 * abs(dose), "norms_mean": 0.2 * abs(dose),
                "norms_max": 0.4 * abs(dose), "d2_target": 0.09, "d2": 0.25,
            })
    return pd.DataFrame(rows)


def found(*args, **changes):
    return judge(ASKED, table(*args, **changes), "warmth")


def line(dose, _at):
    return -3.0 * dose


SMALL = list(np.linspace(-0.4, 0.4, 20))


@pytest.mark.parametrize(("word", "controls", "changes"), [
    ("effect", SMALL, {}),
    ("not beyond controls", [*SMALL[:18], 3.1, -3.1], {}),
    ("effect", [*SMALL[:19], 2.9], {}),
    ("too few controls", SMALL[:9], {}),
    ("effect", SMALL[:10], {}),
    ("within floor", SMALL, {"again": -1.0}),
    ("within floor", SMALL[:3], {"rounding": 1.0}),
    ("effect", SMALL, {"again": 0.99, "rounding": 0.5}),
    ("effect", SMALL, {"share": [0.05] * 3 + [0.01] * 3}),
    ("no exposure", SMALL, {"share": [0.05] * 2 + [0.0499] * 4, "again": 5.0}),
])
def test_words_in_their_order(word, controls, changes):
    assert found(line, controls, **changes)["word"] == word


def test_a_control_that_diverged_counts_against_the_feature():
    assert found(line, [*SMALL[:18], np.nan, np.nan])["word"] == "not beyond controls"


def test_an_effect_that_is_not_finite_says_so():
    assert found(lambda dose, at: np.nan if at == 2 else dose, SMALL, share=0.0)["word"] == "diverged_at_step"


def test_p_counts_the_controls_that_are_as_large():
    assert found(line, [*SMALL[:16], 3.0, -3.5, 4.0, 2.9])["p"] == (1 + 3) / (1 + 20)


def test_slope_and_antisymmetry_by_hand():
    """An effect of 2 d + d^2: slope of least squares through the origin 2, antisymmetry |3 - 1| / (3 + 1)."""
    curved = found(lambda dose, _: 2 * dose + dose**2, SMALL)
    assert curved["slope"] == pytest.approx(2) and curved["antisymmetry"] == pytest.approx(0.5)


def test_where_linearity_ends():
    """Linear to dose 0.5; at 1 a fifth less, which is 0.2 of a token's norm."""
    bent = found(lambda dose, _: dose if abs(dose) <= 0.5 else 0.8 * dose, SMALL)
    assert (bent["linear_to_dose"], bent["linear_to_norms"], bent["is_linear_throughout"]) == (0.5, pytest.approx(0.1), False)
    assert [row["norms_mean"] for row in bent["doses"] if row["dose"] > 0] == pytest.approx([0.05, 0.1, 0.2, 0.4])
    assert found(line, SMALL)["is_linear_throughout"]


def test_on_target_and_collateral_by_hand():
    """sqrt(0.25 - 0.09) for an edit of half the block's spread."""
    both = found(line, SMALL)
    assert both["on_target"] == pytest.approx(0.36) and both["collateral"] == pytest.approx(0.8)


def test_intervals_draw_clusters_of_dates_and_not_dates():
    """Neighbouring dates are one: three pairs of alike dates are no better known than three dates."""
    def of(dates, effect):
        return found(lambda dose, at: dose * effect[at], SMALL, dates=dates)

    pairs = of(("2022-01-01", "2022-01-02", "2022-02-01", "2022-02-02", "2022-03-01", "2022-03-02"), [1, 1, 2, 2, 6, 6])
    single = of(("2022-01-01", "2022-02-01", "2022-03-01"), [1, 2, 6])
    assert pairs["n_clusters"] == single["n_clusters"] == 3 and pairs["interval"] == single["interval"] == [1, 6]
    assert of(("2022-01-01", "2022-01-02"), [1, 2])["interval"] is None


def test_the_sign_that_was_expected():
    for sign, is_so in ((-1, True), (1, False)):
        asked = planted.study(planted.STRONG, expected_sign=sign)
        assert judge(asked, table(line, SMALL), "warmth")["sign_as_expected"] is is_so


class Breaking(linear.Forecasting):
    """A stand-in whose forecast is not finite where the variable rises far."""

    def forward(self, batch):
        forecast = super().forward(batch)
        forecast.surf_vars["2t"] = forecast.surf_vars["2t"].where(forecast.surf_vars["2t"] < 8, float("inf"))
        return forecast


def test_a_forecast_that_is_not_finite_is_diverged_and_not_read(sae):
    asked = planted.study(planted.STRONG, edit={"clamp": 3.0}, dates=[planted.DATES[0]])
    with pytest.warns(InterventionWarning, match="times its norm"):
        ran = run_study(asked, Breaking(), {linear.BLOCK: sae}, planted.batches())
    diverged = ran.summary["diverged_at_step"]
    assert ran.summary["word"] == "diverged_at_step" and diverged["feature_1"] == 1 and "feature_0.25" not in diverged
    rows = ran.effects[ran.effects.diverged_at_step > 0]
    assert set(rows.arm) == set(diverged) and rows.effect.isna().all() and not ran.maps
