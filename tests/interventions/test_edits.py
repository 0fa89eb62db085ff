"""Each edit is its formula: against all features, encoded whole and edited in plain PyTorch."""

import pytest
import torch
from aurorascope.errors import UserError
from aurorascope.interventions import (
    Ablate,
    Band,
    Clamp,
    Donor,
    Gain,
    Levels,
    Mean,
    Normal,
    PositionMean,
    Scale,
    intervene,
    reference,
)
from aurorascope.interventions.places import Place

from tests.interventions.linear import BLOCKS, SECOND, batch_of, features_of, output_of, rows_of, sae_of

FEATURES = [3, 11, 20]
REGION = Band(-40, 60) & Levels("surface", 3)
QUIET = [0.4, -0.7, 0.2]
pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def quiet():
    return [batch_of(value, day=day) for day, value in enumerate(QUIET, 1)]


def held_of(batch):
    place = Place.of_batch(BLOCKS[1], batch)
    return torch.from_numpy(REGION.holds(place)), torch.from_numpy(place.area_n).double()


def expected_values(name, v, held, area, quiet_v):
    """What a named edit makes of values (tokens, features), from the quiet dates' (dates, tokens, features): the formulas."""
    on = quiet_v > 0

    def mean_where_on(weight):
        return (quiet_v * weight[:, None]).sum((0, 1)) / (on * weight[:, None]).sum((0, 1))

    normal = mean_where_on(area * held).nan_to_num()
    return {
        "ablate": torch.zeros_like(v),
        "scale": -1.5 * v,
        "clamp": torch.full_like(v, 0.25),
        "mean": ((quiet_v.mean(0) * area[:, None]).sum(0) / area.sum()).expand_as(v),
        "position": quiet_v.mean(0),
        "normal": torch.minimum(v, normal),
        "gain": torch.where(v > normal, normal + 3.0 * (v - normal), v),
        "donor": quiet_v[1],
    }[name]


def make(name, known, donor, features=FEATURES):
    return {
        "ablate": lambda: Ablate(features),
        "scale": lambda: Scale(features, -1.5),
        "clamp": lambda: Clamp(features, 0.25),
        "mean": lambda: Mean(features, known),
        "position": lambda: PositionMean(features, known),
        "normal": lambda: Normal(features, reference=known),
        "gain": lambda: Gain(features, known, 3.0),
        "donor": lambda: Donor(features, donor),
    }[name]()


NAMES = ["ablate", "scale", "clamp", "mean", "position", "normal", "gain", "donor"]


@pytest.mark.parametrize("architecture", ["relu", "jumprelu", "topk"])
@pytest.mark.parametrize("name", NAMES)
def test_an_edit_is_its_formula(line, quiet, architecture, name):
    batch, sae = batch_of(), sae_of(architecture)
    x, (held, area) = output_of(line, batch, SECOND), held_of(batch)
    quiet_v = torch.stack([features_of(sae, output_of(line, each, SECOND))[:, FEATURES] for each in quiet])
    v = features_of(sae, x)[:, FEATURES]
    change = (expected_values(name, v, held, area, quiet_v) - v) * held[:, None]
    known = reference(line, {SECOND: sae}, FEATURES, quiet)
    with intervene(line, {SECOND: sae}, make(name, known, quiet[1]), where=REGION) as log:
        found = output_of(line, batch, SECOND)
    assert torch.allclose(found, x + change @ rows_of(sae, FEATURES), atol=1e-6, rtol=0)
    assert change.abs().max() > 1e-2
    assert log.rows[0].touched == int((change.abs() > 1e-7).any(1).sum())


@pytest.mark.parametrize("name", NAMES)
def test_signs_are_features_of_their_own(line, quiet, name):
    """A latent above zero is one, below zero another with the opposite direction; a number alone stands for both."""
    batch, sae, signed = batch_of(), sae_of("abstopk"), [(27, 1), (27, -1), (20, -1)]
    x, (held, area) = output_of(line, batch, SECOND), held_of(batch)
    signs = torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64)


    def of(x_nd):
        return (features_of(sae, x_nd)[:, [27, 27, 20]] * signs).clamp(min=0)

    v, quiet_v = of(x), torch.stack([of(output_of(line, each, SECOND)) for each in quiet])
    assert all(v[:, at].max() > 0 for at in range(3))
    change = (expected_values(name, v, held, area, quiet_v) - v) * held[:, None]
    known = reference(line, {SECOND: sae}, [27, (20, -1)], quiet)
    features = signed if name == "clamp" else [27, (20, -1)]
    with intervene(line, {SECOND: sae}, make(name, known, quiet[1], features), where=REGION) as log:
        found = output_of(line, batch, SECOND)
    assert torch.allclose(found, x + (change * signs) @ rows_of(sae, [27, 27, 20]), atol=1e-6, rtol=0)
    assert log.rows[0].features == tuple(signed)


def test_a_latent_that_is_ablated_with_both_signs_is_gone(line):
    batch, sae = batch_of(), sae_of("abstopk")
    x = output_of(line, batch, SECOND)
    with intervene(line, {SECOND: sae}, Ablate(27)):
        found = output_of(line, batch, SECOND)
    h = features_of(sae, x)[:, [27]]
    assert (h < 0).any() and (h > 0).any()
    assert torch.allclose(found, x - h @ rows_of(sae, [27]), atol=1e-6)


@pytest.mark.parametrize("factor", [1, 2, 0.5])
def test_a_multiple_of_the_percentile_clamps_to_it(line, quiet, factor):
    batch, sae = batch_of(), sae_of()
    known = reference(line, {SECOND: sae}, FEATURES, quiet)
    text = "p99" if factor == 1 else f"{factor}*p99"
    with intervene(line, {SECOND: sae}, Clamp(FEATURES, text, known), where=REGION):
        found = output_of(line, batch, SECOND)
    with intervene(line, {SECOND: sae}, [Clamp(each, factor * known[SECOND].p99_f[at]) for at, each in enumerate(FEATURES)], where=REGION):
        assert torch.allclose(output_of(line, batch, SECOND), found, atol=1e-12)


def test_edits_that_change_nothing_keep_every_bit(line, quiet):
    batch, sae = batch_of(), sae_of()
    clean = output_of(line, batch, SECOND)
    known = reference(line, {SECOND: sae}, FEATURES, [batch])
    for edit in (Scale(FEATURES, 1.0), Gain(FEATURES, known, 1.0), Ablate(FEATURES, dose=0.0), PositionMean(FEATURES, known)):
        with pytest.warns(UserWarning, match="touched no token"), intervene(line, {SECOND: sae}, edit):
            assert torch.equal(output_of(line, batch, SECOND), clean), edit.name


def test_a_donor_is_moved_east_by_whole_tokens(line, quiet):
    """90 degrees are 3 of the 12 columns: each token gets the value that lies as far west of it in the donor."""
    batch, sae = batch_of(), sae_of()
    x, donor = output_of(line, batch, SECOND), output_of(line, quiet[1], SECOND)
    v, of_donor = features_of(sae, x)[:, FEATURES], features_of(sae, donor)[:, FEATURES].reshape(4, 6, 12, 3)
    west = of_donor[:, :, [(column - 3) % 12 for column in range(12)]].reshape(-1, 3)
    expected = x + (west - v) @ rows_of(sae, FEATURES)
    for source in (quiet[1], donor, donor.numpy()):
        with intervene(line, {SECOND: sae}, Donor(FEATURES, source, 90.0)):
            assert torch.allclose(output_of(line, batch, SECOND), expected, atol=1e-6)
    with intervene(line, {SECOND: sae}, Donor(FEATURES, donor, -270.0)):
        assert torch.allclose(output_of(line, batch, SECOND), expected, atol=1e-6)


def test_only_whole_tokens_and_the_same_grid_are_donated(line):
    batch, sae = batch_of(), sae_of()
    ran = []
    hook = BLOCKS[0].module(line).register_forward_hook(lambda *_: ran.append(1))
    for source, dlon, words in (
        (torch.zeros(288, 8), 45.0, "a multiple of 30, a token's width"), (torch.zeros(144, 8), 0.0, "288 tokens on the batch's grid"),
    ):
        with pytest.raises(UserError, match=words), intervene(line, {SECOND: sae}, Donor(3, source, dlon)):
            line(batch)
    with pytest.raises(UserError, match=r"n_tokens, 8"), intervene(line, {SECOND: sae}, Donor(3, torch.zeros(288, 7))):
        pass
    hook.remove()
    assert ran == []
