"""Controls, random directions, placebo and difference of means against what they have to be."""

import numpy as np
import pytest
from aurorascope.blocks import BY_ID
from aurorascope.interventions import Disk
from aurorascope.interventions.places import Place
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.studies import run_study
from aurorascope.studies.arms import draw_directions

from tests.interventions.linear import N_TOKENS, features_of, output_of
from tests.studies import planted
from tests.studies.linear import BLOCK, batch_of


def test_directions_have_the_covariance_of_the_block():
    """Two coordinates of a normal draw have a ratio whose median is that of their standard deviations, here 2; and 0 stays 0."""
    draw = np.random.default_rng(0)
    sample_td = draw.standard_normal((4000, 4)) * [4, 2, 1, 0]
    directions = draw_directions(planted.study(0, n_controls=600), sample_td - sample_td.mean(0))
    assert np.allclose((directions**2).sum(1), 1) and (directions[:, 3] == 0).all()
    for at in (0, 1):
        assert np.median(np.abs(directions[:, at] / directions[:, at + 1])) == pytest.approx(2, rel=0.15)


def test_controls_of_two_features_are_matched_one_by_one_and_used_once(line, sae):
    """One strong and one eight times as strong: there are six of the second kind, so that there are six sets."""
    asked = planted.study(planted.STRONG, features=[planted.STRONG, planted.OTHER_EXPOSURE], edit={"scale": 0.9})
    found = run_study(asked, line, {BLOCK: sae}, planted.batches()).summary
    assert len(found["controls"]) == 6
    for each in found["controls"]:
        for exposure, wanted in zip(each["exposure"], found["exposure"], strict=True):
            assert wanted / 2 <= exposure <= 2 * wanted
    used = [feature for each in found["controls"] for feature, _ in each["features"]]
    assert len(set(used)) == len(used) == 12


def test_features_of_the_same_label_are_no_controls(line, sae, ran):
    first = {each["features"][0][0] for each in ran(planted.STRONG).summary["controls"]}
    labelled = frozenset((feature, 1) for feature in sorted(first)[:8])
    found = run_study(planted.study(planted.STRONG), line, {BLOCK: sae}, planted.batches(), labelled_same=labelled).summary
    used = {each["features"][0][0] for each in found["controls"]}
    assert not used & {feature for feature, _ in labelled} and 10 <= len(used) < 20


def test_controls_that_quiet_dates_never_saw_are_left_out_of_a_clamp_to_a_percentile(line, sae, ran):
    """On a date where all tokens are 0 a feature is on by its bias alone; one control's is turned below 0."""
    first = ran(planted.STRONG).summary["controls"][0]["features"][0][0]
    tensors = {name: tensor.detach().clone() for name, tensor in sae.state_dict().items()}
    tensors["b_enc"][first] = -0.001
    saes = {BLOCK: AuroraSAE.from_tensors(tensors)}

    def used(edit):
        found = run_study(planted.study(planted.STRONG, edit=edit), line, saes, planted.batches(), quiet=[batch_of(0.0)]).summary
        return {each["features"][0][0] for each in found["controls"]}

    assert first in used("ablate") and used({"clamp": "2*p99"}) == used("ablate") - {first}


def test_the_placebo_does_nothing_where_the_outcome_is(ran):
    """The stand-in's last block moves the cells under a token alone."""
    effects = ran(planted.STRONG).effects
    rows = effects[effects.kind == "placebo"]
    assert (rows.effect == 0).all() and (rows.touched > 0).all()
    d2 = ran(planted.STRONG).fields.query("variable == '2t'").set_index(["arm", "date"]).d2
    for date in planted.DATES:
        assert d2["placebo_1", date] == pytest.approx(d2["feature_1", date], rel=1e-9)


def test_no_placebo_where_the_region_meets_itself(line, sae):
    asked = planted.study(planted.STRONG, region={"band": [-30, 30]}, n_controls=1)
    assert run_study(asked, line, {BLOCK: sae}, planted.batches()).summary["absent_arms"] == {
        "placebo": "the region meets itself where it is moved 180 degrees east",
    }
    asked = planted.study(planted.STRONG, region=None, n_controls=1)
    assert run_study(asked, line, {BLOCK: sae}, planted.batches()).summary["absent_arms"].keys() == {"difference_of_means", "placebo"}


def test_the_difference_of_means_moves_to_the_features_side(line, sae):
    """An SAE whose feature writes the difference itself: both arms are the same edit."""
    asked = planted.study(planted.STRONG, dates=[planted.DATES[0]], n_controls=1)
    batch = planted.batches()[planted.DATES[0]]
    x_nd, rows = output_of(line, batch, BLOCK).numpy(), run_study(asked, line, {BLOCK: sae}, planted.batches()).effects
    held = rows[rows.kind == "reconstruction"].touched.iloc[0]
    assert 0 < held < N_TOKENS
    place = Place.of_batch(BY_ID[BLOCK], batch)
    inside = Disk(*planted.REGION["disk"]).holds(place)
    difference = np.average(x_nd[inside], axis=0, weights=place.area_n[inside])
    difference -= np.average(x_nd[~inside], axis=0, weights=place.area_n[~inside])
    tensors = {name: tensor.detach().clone() for name, tensor in sae.state_dict().items()}
    for sign in (1, -1):
        tensors["W_dec"][planted.STRONG] = sae.W_dec.new_tensor(sign * difference / np.linalg.norm(difference))
        written = AuroraSAE.from_tensors(tensors)
        assert (features_of(written, output_of(line, batch, BLOCK))[:, planted.STRONG] > 0).any()
        effects = run_study(asked, line, {BLOCK: written}, planted.batches()).effects.set_index("arm").effect
        assert effects["difference_of_means_1"] == pytest.approx(effects["feature_1"], rel=1e-5)
