"""What features usually are: against sums over all dates and tokens, in any order of dates."""

import warnings

import numpy as np
import pytest
import torch
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.interventions import Band, Clamp, Gain, Mean, Normal, PositionMean, intervene, reference
from aurorascope.interventions.places import Place

from tests.interventions.linear import BLOCKS, FIRST, LAST, SECOND, batch_of, features_of, output_of, sae_of

VALUES = (0.4, -0.7, 0.2, 1.1)
FEATURES = [27, 3, 20]


@pytest.fixture(scope="module")
def batches():
    return [batch_of(value, day=day) for day, value in enumerate(VALUES, 1)]


def test_statistics_are_those_of_all_tokens_and_dates(line, batches):
    sae = sae_of()
    v = torch.stack([features_of(sae, output_of(line, each, SECOND))[:, FEATURES] for each in batches]).numpy()
    place = Place.of_batch(BLOCKS[1], batches[0])
    area = np.broadcast_to(place.area_n[:, None], v.shape).astype(float)
    found = reference(line, {SECOND: sae}, FEATURES, batches)[SECOND]
    assert found.ids == tuple((feature, 1) for feature in FEATURES) and len(found.times) == len(VALUES)
    assert np.allclose(found.mean_f, (v * area).sum((0, 1)) / area.sum((0, 1)), rtol=1e-6)
    assert np.allclose(found.active_mean_f, (v * area).sum((0, 1)) / ((v > 0) * area).sum((0, 1)), rtol=1e-6)
    assert np.allclose(found.position_mean_nf(), v.mean(0), rtol=1e-6, atol=1e-7)
    for at in range(len(FEATURES)):
        is_on = v[..., at] > 0
        values, areas = v[..., at][is_on], area[..., at][is_on]
        smallest = min(value for value in values if areas[values <= value].sum() >= 0.99 * areas.sum())
        assert np.isclose(found.p99_f[at], smallest, rtol=1e-6) and smallest > np.median(values)
    held = Band(0, 50).holds(place)
    here = v[:, held], area[:, held]
    assert np.allclose(found.active_mean_in(held), (here[0] * here[1]).sum((0, 1)) / ((here[0] > 0) * here[1]).sum((0, 1)), rtol=1e-6)
    assert not np.allclose(found.active_mean_in(held), found.active_mean_f, rtol=1e-3)


def arrays(found):
    return [found.mean_f, found.active_mean_f, found.p99_f, found.total_nf, found.n_active_nf]


def test_the_order_of_dates_features_and_threads_changes_no_bit(line, batches):
    sae = sae_of("jumprelu")
    first = reference(line, {SECOND: sae}, FEATURES, batches)[SECOND]
    torch.set_num_threads(2)
    try:
        again = reference(line, {SECOND: sae}, FEATURES[::-1], iter(batches[::-1]))[SECOND].of("here", first.ids)
    finally:
        torch.set_num_threads(1)
    assert again.times == first.times
    for one, other in zip(arrays(first), arrays(again), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("edit", [Normal, Mean])
def test_of_another_sae_or_with_other_features_on_it_is_refused(line, batches, edit):
    """Feature 3 of one is not feature 3 of the other. A copy of the same weights is the same SAE."""
    sae, copy = sae_of("topk"), sae_of("topk")
    for other in (sae_of("topk", seed=1), sae.keep(1), sae_of("jumprelu")):
        for made_with, edited in ((sae, other), (other, sae)):
            usual = reference(line, {SECOND: made_with}, [3, 5], batches)
            refused = f"{edit.__name__} at {SECOND}: expected a reference of the feature .3, 1. of the SAE that is edited, found one of another SAE's"
            with pytest.raises(UserError, match=refused), intervene(line, {SECOND: edited}, edit(3, usual)):
                raise AssertionError("the block of the with was entered")
    with warnings.catch_warnings(action="ignore"), intervene(line, {SECOND: copy}, edit(3, reference(line, {SECOND: sae}, [5, 3], batches))):
        line(batches[0])


def test_several_blocks_come_from_one_pass(line, batches):
    saes = {LAST: sae_of(seed=2), FIRST: sae_of(seed=1)}
    ran = []
    hook = BLOCKS[0].module(line).register_forward_hook(lambda *_: ran.append(1))
    both = reference(line, saes, {FIRST: 3, LAST: [5, 7]}, batches)
    hook.remove()
    assert len(ran) == len(batches)
    for name, features in ((FIRST, 3), (LAST, [5, 7])):
        alone = reference(line, {name: saes[name]}, features, batches)[name]
        assert all(np.array_equal(*pair) for pair in zip(arrays(both[name]), arrays(alone), strict=True))


def test_a_feature_that_is_never_on_is_normally_off(line, batches):
    sae = sae_of()
    with torch.no_grad():
        most = [float(((output_of(line, each, SECOND).float() - sae.b_dec) @ sae.W_enc[:, 4]).max()) for each in batches]
        sae.b_enc[4] = -(min(most) + max(most)) / 2
    quiet, loud = batches[int(np.argmin(most))], batches[int(np.argmax(most))]
    known = reference(line, {SECOND: sae}, [4], [quiet])
    assert known[SECOND].mean_f == 0 and np.isnan([known[SECOND].active_mean_f[0], known[SECOND].p99_f[0]]).all()
    x = output_of(line, loud, SECOND)
    with intervene(line, {SECOND: sae}, Normal(4, known)):
        restored = output_of(line, loud, SECOND)
    assert (features_of(sae, x)[:, 4] > 0).any()
    assert torch.allclose(restored, x - features_of(sae, x)[:, [4]] * sae.W_dec.detach()[4].double(), atol=1e-6)
    with pytest.raises(UserError, match=r"features that are on somewhere on the reference's dates, found \(4, 1\) never on"), \
            intervene(line, {SECOND: sae}, Clamp(4, "2*p99", known)):
        line(batches[0])


def test_without_a_reference_one_line_says_how_to_get_one():
    for make in (
        lambda: Normal([7]), lambda: PositionMean(7), lambda: Gain(7), lambda: Mean(7, 3.0), lambda: Clamp(7, "2*p99", 3.0), lambda: Normal(7, 3.0),
    ):
        with pytest.raises(UserError, match=r"reference=aurorascope\.interventions\.reference\(model") as error:
            make()
        assert "\n" not in str(error.value)


def test_a_reference_must_be_of_the_blocks_features_and_grid(line, batches):
    sae = sae_of()
    known = reference(line, {SECOND: sae}, [3, 20], batches)
    for saes, edit, words in (
        ({SECOND: sae}, Normal([3, 5], known), r"Normal at encoder_s0_b1: expected a reference for the feature \(5, 1\)"),
        ({FIRST: sae}, Normal(3, known), "one for encoder_s0_b0"),
    ):
        with pytest.raises(UserError, match=words), intervene(line, saes, edit):
            pass
    other = known[SECOND].place
    moved = Place.of(BY_ID[SECOND], other.lat, other.lon + 5)
    with pytest.raises(UserError, match="the batch's longitudes, 36 from 5 to 355"):
        known[SECOND].check_place("here", moved)


def test_batches_that_make_no_reference_are_refused(line, batches):
    sae = {SECOND: sae_of()}
    for features, given, words in (
        ([3], [], "at least one"), ([3], [batches[0], batches[0]], "twice"), ([3], [batch_of(members=2)], "batches of one date"),
        ([3], [batches[0], batch_of(day=9, lat=torch.arange(84, -90, -10, dtype=torch.float64))], "another one at 2022-06-09"),
        ([99], batches, "features 0 to 31"), ([(3, -1)], batches, "name 3"), ({FIRST: 3}, batches, "features of encoder_s0_b1"),
    ):
        with pytest.raises(UserError, match=words):
            reference(line, sae, features, given)
    with pytest.raises(UserError, match="by block id"):
        reference(line, {FIRST: sae_of(), **sae}, [3], batches)
