"""Responses of features: planted ones and no others, linear in the dose, against brute force, and never of an encoded difference."""

import itertools

import numpy as np
import pytest
import torch
from aurorascope.blocks import BY_ID
from aurorascope.errors import UserError
from aurorascope.perturbations import responses
from aurorascope.perturbations.apply_changes import perturb
from aurorascope.perturbations.operations import AddPlume, ScaleVariables
from aurorascope.perturbations.regions import Box, Disk, Everywhere
from aurorascope.perturbations.responses import RegionWeights, block_outputs, feature_responses, respond
from aurorascope.perturbations.scores import linearity
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.tokens import token_grid

from tests.perturbations import planted

DISK = Disk(30, 100, km=4000, taper_km=2000)
REGIONS = {"disk": DISK, "all": Everywhere(), "far": Box(-60, -20, 180, 320)}
KG = 2e10


def weights(inputs, regions=REGIONS):
    return RegionWeights.of(planted.grid(inputs), inputs.lat, inputs.lon, regions)


def response(inputs, operation, sae):
    changed, _ = perturb(inputs, [operation])
    return respond(sae, planted.tokens(inputs), planted.tokens(changed), weights(inputs), inputs.time)


@pytest.fixture(scope="module")
def by_dose(inputs):
    sae = planted.reading()
    return {e: response(inputs, AddPlume("co", e * KG, DISK, levels=(850, 925, 1000)), sae) for e in (-0.1, -0.05, 0.5, 0.1, 1.0)}


def test_exactly_the_planted_features_respond(by_dose):
    co, column = (planted.VARIABLES.index(name) for name in ("co", "tcco"))
    for dose, found in by_dose.items():
        responds = {(level, feature) for level, feature in itertools.product(range(4), range(44)) if found.change_rlf[0, level, feature]}
        assert responds == {(3, co), (0, column)}
        # All of the plume lies in the disk: the mean over the globe has its share, and far away is nothing at all.
        assert (np.sign(found.change_rlf[:2, 3, co]) == np.sign(dose)).all()
        assert not found.change_rlf[2].any()


def test_planted_responses_are_linear_and_opposite(by_dose):
    doses = sorted(by_dose)
    changes = np.stack([by_dose[dose].change_rlf[0].reshape(-1) for dose in doses])
    slope, r2, asymmetry = linearity(doses, changes)
    responds = changes.any(axis=0)
    assert responds.sum() == 2
    np.testing.assert_allclose(r2[responds], 1, atol=1e-8)
    # What float32 leaves of small changes of large values.
    np.testing.assert_allclose(asymmetry[responds], 0, atol=1e-4)
    np.testing.assert_allclose(slope[responds], by_dose[1.0].change_rlf[0].reshape(-1)[responds], rtol=1e-4)
    assert np.isnan(slope[~responds]).all() and np.isnan(asymmetry[~responds]).all()


@pytest.mark.parametrize("architecture", ["relu", "abstopk"])
def test_responses_are_brute_force_means_over_tokens(inputs, architecture):
    changed, _ = perturb(inputs, [ScaleVariables(("u", "v", "co"), 0.4, DISK)])
    sae, (clean, new) = planted.reading(architecture), (planted.tokens(each) for each in (inputs, changed))
    found = respond(sae, clean, new, weights(inputs), inputs.time)
    cells = planted.grid(inputs)
    area = cells.area[0].reshape(-1)
    with torch.inference_mode():
        h, new_h = (sae.encode(x).double().numpy() for x in (clean, new))
    if architecture == "abstopk":
        h, new_h = (np.stack([each.clip(0), (-each).clip(0)], -1).reshape(len(each), -1) for each in (h, new_h))
    # On the whole globe a token counts with its area alone.
    for level in range(4):
        here = slice(level * len(area), (level + 1) * len(area))
        for got, values in ((found.clean_rlf, h), (found.change_rlf, new_h - h)):
            expected = (values[here] * area[:, None]).sum(axis=0) / area.sum()
            np.testing.assert_allclose(got[1, level], expected, atol=1e-6 * max(1, np.abs(expected).max()))
    assert found.change_rlf.shape == (3, 4, 88 if architecture == "abstopk" else 44)


def test_parts_of_tokens_add_up(inputs, by_dose, monkeypatch):
    monkeypatch.setattr(responses, "_ROWS", 50)
    found = response(inputs, AddPlume("co", KG, DISK, levels=(850, 925, 1000)), planted.reading())
    np.testing.assert_allclose(found.change_rlf, by_dose[1.0].change_rlf, rtol=1e-12, atol=0)
    np.testing.assert_allclose(found.clean_rlf, by_dose[1.0].clean_rlf, rtol=1e-12, atol=0)


def test_an_encoded_difference_would_say_something_else(inputs):
    """With a bias that a feature must overcome, h(x' - x) is off where h(x') - h(x) is not."""
    changed, _ = perturb(inputs, [ScaleVariables(("t",), 1.01, DISK)])
    sae, clean, new = planted.reading(bias=-10.0), planted.tokens(inputs), planted.tokens(changed)
    t = planted.VARIABLES.index("t")
    assert respond(sae, clean, new, weights(inputs), inputs.time).change_rlf[0, 1:, t].all()
    with torch.inference_mode():
        assert not sae.encode(new - clean)[:, t].any()


def test_a_region_counts_cells_that_lie_in_it(inputs):
    """One cell of a token of nine, at the latitude of the token's middle: the token alone counts, with all the weight."""
    found = weights(inputs, {"cell": Disk(inputs.lat[4], inputs.lon[4], 100)}).weight_rp[0]
    assert found.sum() == pytest.approx(1)
    assert np.flatnonzero(found).tolist() == [1 * 12 + 1]
    with pytest.raises(UserError, match="the centre of a grid cell"):
        weights(inputs, {"none": Disk(inputs.lat[4] + 5, inputs.lon[4], 100)})
    with pytest.raises(UserError, match="at least one"):
        weights(inputs, {})


def test_outputs_of_other_tokens_are_refused(inputs):
    x = planted.tokens(inputs)
    with pytest.raises(ValueError, match="tokens"):
        respond(planted.reading(), x, x[:-1], weights(inputs), inputs.time)


def test_responses_of_aurora_s_blocks_are_those_of_two_encodings(model, inputs):
    changed, _ = perturb(inputs, [ScaleVariables(("t", "q"), 1.05, DISK)])
    saes = {}
    for block, d in (("encoder_s0_b1", 16), ("encoder_s1_b2", 32), ("decoder_s2_b5", 16)):
        torch.manual_seed(1)
        tensors = {"W_enc": torch.randn(d, 3 * d), "b_enc": torch.randn(3 * d), "W_dec": torch.randn(3 * d, d), "b_dec": torch.randn(d)}
        saes[block] = AuroraSAE.from_tensors(tensors | {"k": torch.tensor(4)})
    args = model, saes, inputs.batch(), changed.batch(), {"disk": DISK}, inputs.time
    found = feature_responses(*args)
    again = feature_responses(*args)
    outputs = [block_outputs(model, each.batch(), list(saes)) for each in (inputs, changed)]
    for block, sae in saes.items():
        np.testing.assert_array_equal(found[block].change_rlf, again[block].change_rlf)
        with torch.inference_mode():
            h, new_h = (sae.encode(each[block]).double().numpy() for each in outputs)
        n = len(h) // 4
        weight = RegionWeights.of(token_grid(BY_ID[block], inputs.lat, inputs.lon), inputs.lat, inputs.lon, {"disk": DISK}).weight_rp[0]
        for level in range(4):
            here = slice(level * n, (level + 1) * n)
            np.testing.assert_allclose(found[block].change_rlf[0, level], weight @ (new_h - h)[here], atol=1e-6)
        assert found[block].change_rlf.any()
