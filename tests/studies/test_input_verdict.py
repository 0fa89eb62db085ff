"""Words and parts of studies of changed inputs from tables of effects whose answers are known."""

import numpy as np
import pandas as pd
import pytest
from aurorascope.studies.input_study import DOSES
from aurorascope.studies.input_verdict import judge_input

from tests.studies import input_planted as planted

ASKED = planted.study(expected_sign=1)
MANY = tuple(f"2022-{month:02d}-01" for month in range(1, 6))
SMALL = list(np.linspace(-0.4, 0.4, 7))


def table(noise, moved=(0.1, 0.0, -0.1), effect=1.0, again=0.0, rounding=0.0, share=0.7, carry=0.25, doses=DOSES):
    """Rows as a run leaves them: an effect that follows the dose, and that of each control; the second step is the verdict's."""
    arms = [("clean_again_0", "clean_again", 0.0, again)]
    arms += [(f"{'change' if dose > 0 else 'reverse'}_{abs(dose):g}", "change" if dose > 0 else "reverse", dose, effect * dose) for dose in doses]
    arms += [(f"moved_{at}", "moved", 1.0, value) for at, value in enumerate(moved)]
    arms += [("other_co", "other", 1.0, 0.3)] + [(f"noise_{at:02d}", "noise", 1.0, value) for at, value in enumerate(noise)]
    rows = []
    for at, date in enumerate(MANY):
        for step in (1, 2):
            for name, kind, dose, value in arms:
                exposure = share if np.isscalar(share) else share[at]
                rows.append({
                    "date": date, "arm": name, "kind": kind, "dose": dose, "step": step, "outcome": "smoke", "effect": value * step,
                    "rounding": rounding, "exposure_share": exposure, "size": 0.5 * abs(dose), "d2_target": 0.09, "d2": 0.25,
                    "carry": carry * value * step, "backbone": (1 - carry) * value * step,
                })
    return pd.DataFrame(rows)


def found(*args, **changes):
    return judge_input(planted.study(steps=2, expected_sign=1), table(*args, **changes), "smoke")


@pytest.mark.parametrize(("word", "noise", "changes"), [
    ("effect", SMALL, {}),
    ("not beyond controls", [*SMALL[:5], 1.1, -1.1], {}),
    ("not beyond controls", SMALL, {"moved": (1.0, 1.0, 0.0)}),
    ("too few controls", SMALL[:5], {}),
    ("effect", SMALL[:6], {}),
    ("within floor", SMALL, {"again": 0.4}),
    ("within floor", SMALL[:2], {"rounding": 1.0}),
    ("no exposure", SMALL, {"share": [0.5, 0.5, 0.0, 0.0, 0.0], "again": 5.0}),
    ("effect", SMALL, {"share": [1e-6, 0.5, 0.5, 0.0, 0.0]}),
    ("diverged_at_step", SMALL, {"effect": np.nan, "share": 0.0}),
    ("not beyond controls", [*SMALL, np.nan], {}),
])
def test_words_in_their_order(word, noise, changes):
    assert found(noise, **changes)["word"] == word


def test_numbers_are_of_the_last_step_and_parts_of_the_first():
    judged = found(SMALL)
    assert (judged["effect"], judged["slope"], judged["antisymmetry"]) == (2, pytest.approx(2), 0)
    assert judged["parts"] == {"effect": 1, "carry": 0.25, "backbone": 0.75, "carry_share": 0.25, "backbone_share": 0.75}
    assert judged["arms"] == pytest.approx({"moved_0": 0.2, "moved_1": 0, "moved_2": -0.2, "other_co": 0.6})
    assert judged["n_by_kind"] == {"moved": 3, "other": 1, "noise": 7} and judged["n_controls"] == 11
    assert (judged["p"], judged["controls_95"]) == (1 / 12, pytest.approx(0.8)) and judged["sign_as_expected"] is True
    assert [row["size"] for row in judged["doses"]] == [0.5, 0.25, 0.05, 0.05, 0.25, 0.5] and judged["linear_to_size"] == 0.5
    assert judged["on_target"] == pytest.approx(0.36) and judged["collateral"] == pytest.approx(0.8)


def test_a_reverse_that_is_absent_leaves_a_smaller_one_to_say_whether_effects_are_antisymmetric():
    rows = table(SMALL, doses=[dose for dose in DOSES if dose != -1])
    rows.loc[rows.arm == "reverse_0.5", "effect"] *= -1
    assert judge_input(ASKED, rows, "smoke")["antisymmetry"] == 1
    assert np.isnan(judge_input(ASKED, table(SMALL, doses=(0.1, 0.5, 1.0)), "smoke")["antisymmetry"])
