"""Edits of several steps: controls are as exposed as the edited features over all of these, and what is on in one step alone was tested."""

import numpy as np
import pytest
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.interventions import Disk
from aurorascope.interventions.places import Place
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies import run_study
from aurorascope.studies.clean_run import CleanRun
from aurorascope.studies.day import run_early

from tests.interventions.linear import features_of
from tests.studies import planted
from tests.studies.linear import BLOCK

STEPS = {"steps": 3, "edit_steps": [0, 2]}


def biased(sae, bias_of):
    """The planted SAE with biases of its own: features that one column of the encoder drives, on from different values on."""
    tensors = {name: tensor.detach().clone() for name, tensor in sae.state_dict().items()}
    for feature, bias in bias_of.items():
        tensors["b_enc"][feature] = bias
    return AuroraSAE.from_tensors(tensors)


def outputs_of(line, date):
    """The clean block's outputs of the edited steps, by a rollout of its own."""
    found, batch = [], planted.batches()[date]
    for n in STEPS["edit_steps"]:
        state = run_early(line, batch, n, (), lambda *_: None)
        run_to_blocks(line, state, [BY_ID[BLOCK]], lambda _block, x_nd: found.append(x_nd))
    return found


def values_of(line, sae, feature, date):
    """Values in the edited steps, areas, and which tokens the region holds."""
    place = Place.of_batch(BY_ID[BLOCK], planted.batches()[date])
    v_sn = np.stack([features_of(sae, x_nd)[:, feature].clamp(min=0).double().numpy() for x_nd in outputs_of(line, date)])
    return v_sn, place.area_n, Disk(*planted.REGION["disk"]).holds(place)


@pytest.fixture(scope="module")
def spread(sae):
    """Biases from far below to above 0: exposures keep no ratio from step to step."""
    return biased(sae, {feature: bias for feature, bias in enumerate(np.linspace(-0.5, 0.1, 26)) if feature != planted.STRONG})


@pytest.fixture(scope="module")
def several(line, spread):
    return run_study(planted.study(planted.STRONG, **STEPS), line, {BLOCK: spread}, planted.batches())


def test_controls_are_as_exposed_over_all_edited_steps(line, spread, several):
    """In the table, which says what the arms did, and not in the first edited step alone."""
    rows = several.effects[several.effects.step == 3]
    mean = {arm: part.exposure.mean() for arm, part in rows.groupby("arm")}
    assert len(several.summary["controls"]) >= 10
    for at, each in enumerate(several.summary["controls"]):
        assert 0.5 <= mean[f"control_{at:02d}"] / mean["feature_1"] <= 2
        assert each["exposure"] == pytest.approx([mean[f"control_{at:02d}"]], rel=1e-6)
    assert several.summary["exposure"] == pytest.approx([mean["feature_1"]], rel=1e-6)
    first = run_study(planted.study(planted.STRONG, steps=3, n_controls=20), line, {BLOCK: spread}, planted.batches()).summary
    assert first["exposure"] != pytest.approx(several.summary["exposure"], rel=0.1) and first["controls"] != several.summary["controls"]


def test_exposure_and_percentile_are_those_of_all_edited_steps_together(line, spread, several):
    exposures, values, areas = [], [], []
    for date in planted.DATES:
        v_sn, area_n, held_n = values_of(line, spread, planted.STRONG, date)
        exposures.append(np.average(v_sn[:, held_n], axis=1, weights=area_n[held_n]).mean())
        for v_n in v_sn:
            is_on_n = (v_n > 0) & (area_n > 0)
            values.append(v_n[is_on_n])
            areas.append(area_n[is_on_n])
    assert several.summary["exposure"] == pytest.approx([np.mean(exposures)], rel=1e-6)
    v, a = np.concatenate(values), np.concatenate(areas)
    order = np.argsort(v)
    p99 = v[order][np.searchsorted(a[order].cumsum(), 0.99 * a.sum())]
    assert several.summary["p99"] == pytest.approx([p99], rel=1e-6)


def test_a_feature_that_is_on_in_one_edited_step_alone_was_tested(line, sae):
    """Its share is that of the step in which it is on: the mean over steps would halve it, and say that nothing was tested."""
    date = planted.DATES[0]
    tops = [features_of(sae, x_nd)[:, planted.STRONG].max().item() for x_nd in outputs_of(line, date)]
    low, high = sorted(tops)
    late = biased(sae, {planted.STRONG: 0.02 - (low + high) / 2})
    v_sn, area_n, held_n = values_of(line, late, planted.STRONG, date)
    exposure_s = np.average(v_sn[:, held_n], axis=1, weights=area_n[held_n])
    assert sorted(exposure_s > 0) == [False, True]
    found = run_study(planted.study(planted.STRONG, dates=[date], n_controls=1, **STEPS), line, {BLOCK: late}, planted.batches())
    row = found.effects.query("arm == 'feature_1' and step == 3").iloc[0]
    assert row.exposure_share == pytest.approx(exposure_s.max() / found.summary["p99"][0], rel=1e-6)
    assert row.exposure == pytest.approx(exposure_s.mean(), rel=1e-6)


def test_forwards_for_the_survey_are_counted(line, sae, monkeypatch):
    """Whole ones of one date: step 0 for the survey and for the arms, which go on from the block in it."""
    ran, forward = [], type(line).forward

    def counted(self, batch, lead_times=None):
        forecast = forward(self, batch, lead_times)
        ran.append(batch.metadata.rollout_step)
        return forecast

    monkeypatch.setattr(type(line), "forward", counted)
    found = run_study(planted.study(planted.STRONG, dates=[planted.DATES[0]], n_controls=1, **STEPS), line, {BLOCK: sae}, planted.batches())
    assert found.summary["n_forwards"] == len(ran) and ran.count(0) == ran.count(1) == ran.count(2) + 1


def test_a_clean_forecast_that_is_not_finite_is_refused_by_the_survey(line, sae, tmp_path):
    class Breaking(type(line)):
        def forward(self, batch, lead_times=None):
            forecast = super().forward(batch, lead_times)
            forecast.surf_vars["msl"][...] = float("nan")
            return forecast

    date = planted.DATES[0]
    asked = planted.study(planted.STRONG, dates=[date], **STEPS)
    with pytest.raises(UserError, match=f"step 1 of {date}"):
        CleanRun(asked, Breaking(), planted.batches()[date], date, tmp_path).edited_outputs(lambda _x_nd: None)
