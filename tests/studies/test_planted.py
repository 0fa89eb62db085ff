"""Studies of features whose effects are known."""

import json

import numpy as np
import pytest
from aurorascope.blocks import BY_ID
from aurorascope.interventions import Disk
from aurorascope.interventions.places import Place
from aurorascope.studies.where import cells_of

from tests.interventions.linear import features_of, output_of
from tests.studies import planted
from tests.studies.linear import BLOCK

FIRST = "warmth"


def by_hand(line, sae, feature, date):
    """Effect of ablating: - mean by area of the sum over levels of h * w_0, in units of the clean tendency."""
    batch = planted.batches()[date]
    lat, lon = batch.metadata.lat.numpy(), batch.metadata.lon.numpy()
    x_nd = output_of(line, batch, BLOCK)
    held_n = Disk(*planted.REGION["disk"]).holds(Place.of(BY_ID[BLOCK], lat, lon))
    h_n = np.where(held_n, features_of(sae, x_nd)[:, feature].numpy(), 0)
    added = -(h_n * float(sae.W_dec.detach()[feature, 0])).reshape(4, 6, 12).sum(0).repeat(3, 0).repeat(3, 1)
    cells = cells_of(lat, lon)
    weight = (Disk(0, 120, 6000).holds(cells) * cells.area_n).reshape(18, 36).astype(float)
    moved = line(batch).surf_vars["2t"][0, 0].numpy() - batch.surf_vars["2t"][0, -1].numpy()
    return (added * weight).sum() / weight.sum() / np.sqrt((moved**2 * weight).sum() / weight.sum())


def test_a_planted_effect_is_found_with_its_slope(line, sae, ran):
    result = ran(planted.STRONG)
    found, expected = result.summary["outcomes"][FIRST], np.mean([by_hand(line, sae, planted.STRONG, date) for date in planted.DATES])
    assert result.summary["word"] == found["word"] == "effect" and abs(expected) > 0.01
    assert found["effect"] == pytest.approx(expected, rel=1e-6) and found["slope"] == pytest.approx(expected, rel=1e-6)
    assert found["antisymmetry"] < 1e-9 and found["is_linear_throughout"] and found["linear_to_dose"] == 2
    assert [row["dose"] for row in found["doses"]] == [-2, -1, -0.5, -0.25, 0.25, 0.5, 1, 2]
    assert found["p"] == pytest.approx((1 + 0) / (1 + found["n_controls"] + found["n_directions"]), abs=0.06)
    assert found["n_clusters"] == 2 and found["is_exploratory"]
    low, high = found["interval"]
    assert low <= found["effect"] <= high
    assert 0 < found["on_target"] <= 1


@pytest.mark.parametrize(("feature", "word"), [
    (planted.SILENT, "no exposure"), (planted.UNSEEN, "within floor"), (planted.WEAK, "not beyond controls"),
])
def test_words_of_features_without_an_effect(ran, feature, word):
    assert ran(feature).summary["word"] == word
    assert json.loads(json.dumps(ran(feature).summary, allow_nan=False)) == ran(feature).summary


@pytest.mark.filterwarnings("ignore::aurorascope.interventions.InterventionWarning")
def test_too_few_controls_are_said(ran):
    """Eight times as strong as most: six of its kind are left, those of the last numbers."""
    found = ran(planted.OTHER_EXPOSURE).summary
    assert found["word"] == "too few controls" and len(found["controls"]) == 6


def test_controls_are_matched_and_distinct(ran):
    found = ran(planted.STRONG).summary
    (exposure,), controls = found["exposure"], found["controls"]
    assert len(controls) == 20
    named = [each["features"][0][0] for each in controls]
    assert len(set(named)) == 20 and not {planted.STRONG, planted.SILENT, planted.OTHER_EXPOSURE} & set(named)
    assert all(exposure / 2 <= each["exposure"][0] <= 2 * exposure for each in controls)


def test_every_arm_runs_on_every_date_and_moves_as_much(ran):
    effects = ran(planted.STRONG).effects
    kinds = effects.groupby("kind").arm.nunique().to_dict()
    assert kinds == {
        "clean": 1, "clean_again": 1, "reconstruction": 1, "feature": 4, "minus_feature": 4, "control": 20, "direction": 20,
        "difference_of_means": 1, "placebo": 1,
    }
    assert (effects.groupby("arm").date.nunique() == len(planted.DATES)).all()
    at_one = effects[effects.kind.isin(("feature", "direction", "difference_of_means", "placebo")) & (effects.dose == 1)]
    by_date = at_one.groupby("date")["size"]
    assert np.allclose(by_date.max(), by_date.min(), rtol=1e-9) and (by_date.min() > 0).all()
    clean = effects[effects.kind.isin(("clean", "clean_again"))]
    assert (clean.effect == 0).all() and (clean.touched == 0).all()
