"""Group bias adaptation: the rates that add up to the target, and the thresholds that reach them."""

import itertools

import pytest
import torch
from aurorascope.blocks import BY_ID
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.bias_adapted import GROUPS, RATIO, STEP, TOP, UPDATES, BiasAdapted, rates
from aurorascope.sae.initial import initial_weights
from aurorascope.sae.objective import Settings
from hypothesis import given
from hypothesis import strategies as st

from tests.sae.losses import random_parameters, random_rows
from tests.sae.planted_feed import PlantedFeed
from tests.trained import train
from tests.training.settings import settings

# The rates.


@given(h=st.integers(1, 3000), share=st.floats(1e-4, 1))
def test_rates_add_up_to_the_target(h, share):
    """Up to half of all latents, which is the most that may be asked for; none above the top, none rising, at most ten."""
    target = share * h / 2
    found = rates(target, h)
    assert len(found) == h and sum(found) == pytest.approx(target, rel=1e-9)
    assert all(0 < later <= earlier <= TOP * (1 + 1e-12) for earlier, later in zip(found, [*found[1:], found[-1]], strict=True))
    assert len(set(found)) <= GROUPS


def test_each_group_has_half_the_rate_of_the_one_before():
    """Ten groups of as equal sizes as can be, by hand: 8 (1 + 1/2 + 1/4 + ...) p = 3."""
    found = rates(3.0, 80)
    first = 3 / (8 * (2 - 2**-9))
    assert found == pytest.approx([first * RATIO**group for group in range(GROUPS) for _ in range(8)], rel=1e-12)
    assert [rates(3.0, 23).count(rate) for rate in dict.fromkeys(rates(3.0, 23))] == [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]


def test_a_dense_target_has_the_top_rate_first():
    """Where halves would need more than the top rate, one ratio between neighbours; at half of all latents, one rate."""
    found = list(dict.fromkeys(rates(16.0, 80)))
    quotients = [b / a for a, b in itertools.pairwise(found)]
    assert found[0] == TOP and RATIO < quotients[0] < 1
    assert quotients == pytest.approx([quotients[0]] * 9, rel=1e-12)
    assert rates(40.0, 80) == pytest.approx([TOP] * 80, rel=1e-9)


# The thresholds.


def by_hand(theta, batches, wanted, means):
    """A latent's threshold after one move: values seen since the last one, its rate, and the mean of its group's peaks."""
    values = [value for batch in batches for value in batch]
    on = [value for value in values if value > theta]
    size = max(on) if on else max(means, theta)
    expected = len(values) * wanted
    excess = min(max((len(on) - expected) / max(expected, 1), -1), 1)
    return min(max(theta + STEP * size * excess, 0.0), size)


@pytest.mark.parametrize("rows", [100, 7])
def test_thresholds_move_by_hand(rows):
    """Of three moves with two batches each: latent by latent, in plain Python, whatever the micro-batch; silent ones too."""
    d, h = 4, 20
    parameters = random_parameters("bias_adaptation", d, h)
    parameters["threshold"][[3, 8, 9]] = 50.0
    made = BiasAdapted(parameters, Settings(target_l0=2.0, rows=rows, n_steps=2 * UPDATES))
    seen = {"raised": 0, "lowered": 0, "silent": 0}
    for move in range(3):
        before = parameters["threshold"].clone()
        parts = [random_rows(n, d, seed=10 * move + n) for n in (40, 25)]
        for place, x in enumerate(parts):
            made.progress = (2 * move + place + 1) / (2 * UPDATES)
            with torch.inference_mode():
                made.compute(x)
                made.constrain()
            assert torch.equal(parameters["threshold"], before) != (place == 1)
        z = [((x - parameters["b_dec"]) @ parameters["W_enc"]).T.tolist() for x in parts]
        peaks = [max((v for part in z for v in part[j] if v > float(before[j])), default=None) for j in range(h)]
        for j, rate in enumerate(rates(2.0, h)):
            group = [peaks[i] for i in (j - j % 2, j - j % 2 + 1) if peaks[i] is not None]
            mean = sum(group) / len(group) if group else 0.0
            expected = by_hand(float(before[j]), [part[j] for part in z], rate, mean)
            assert float(parameters["threshold"][j]) == pytest.approx(expected, rel=1e-12, abs=1e-15), (move, j)
            seen["raised"] += expected > float(before[j])
            seen["lowered"] += 0 < expected < float(before[j])
            seen["silent"] += peaks[j] is None
        assert not any(values.any() for values in made.state.values())
    assert all(count >= 3 for count in seen.values()), seen


def test_moves_are_spread_over_the_training():
    """As many as `UPDATES` in a long training, one a step in a short one."""
    for n_steps, expected in ((3 * UPDATES + 500, UPDATES), (40, 40)):
        made = BiasAdapted(random_parameters("bias_adaptation", 2, 10), Settings(target_l0=1.0, rows=4, n_steps=n_steps))
        moved = 0
        for t in range(1, n_steps + 1):
            made.progress = t / n_steps
            made.state["n_seen"].fill_(7)
            made.constrain()
            moved += not made.state["n_seen"].any()
        assert moved == expected


def test_nothing_depends_on_the_units():
    """Tokens 8 times as large move the thresholds by 8 times as much."""
    ends = []
    for factor in (1.0, 8.0):
        parameters = random_parameters("bias_adaptation", 4, 20)
        parameters["b_dec"].zero_()
        parameters["threshold"].mul_(factor)
        made = BiasAdapted(parameters, Settings(target_l0=2.0, rows=64, n_steps=10))
        for step in range(10):
            made.progress = (step + 1) / 10
            with torch.inference_mode():
                made.compute(factor * random_rows(50, 4, seed=step))
                made.constrain()
        ends.append(parameters["threshold"] / factor)
    torch.testing.assert_close(*ends, rtol=1e-12, atol=0)


def test_a_standing_dictionary_comes_to_fire_at_its_rates():
    """Tokens of a fixed distribution and directions that do not move: each group's rate is met within a tenth, the target within 3 %."""
    d, h, target, n = 16, 40, 4.0, 2000
    parameters = {**initial_weights(d, h, 0, 0, "tied"), **BiasAdapted.extra_parameters(d, h)}
    made = BiasAdapted(parameters, Settings(target_l0=target, rows=n, n_steps=600))
    for step in range(600):
        made.progress = (step + 1) / 600
        with torch.inference_mode():
            made.compute(random_rows(n, d, seed=step, dtype=torch.float32))
            made.constrain()
    with torch.inference_mode():
        terms = made.compute(random_rows(50_000, d, seed=999, dtype=torch.float32))
    found = (made.on_h.double() / 50_000).reshape(GROUPS, -1).mean(1).tolist()
    for rate, expected in zip(found, dict.fromkeys(rates(target, h)), strict=True):
        # The rarest is to fire for two tokens of a batch.
        assert rate == pytest.approx(expected, rel=0.1 if expected > 0.01 else 0.3)
    assert float(terms.l0) == pytest.approx(target, rel=0.03)


# A training.


@pytest.fixture(scope="module")
def planted():
    """Sixteen snapshots of 64 tokens in 16 dimensions: three of 48 atoms each, with noise."""
    generator = torch.Generator().manual_seed(3)
    atoms = torch.nn.functional.normalize(torch.randn(48, 16, generator=generator), dim=1)
    codes = torch.rand(16 * 64, 48, generator=generator)
    codes = (codes + 0.5) * (codes >= codes.topk(3).values[:, -1:])
    return PlantedFeed((codes @ atoms + 0.02 * torch.randn(16 * 64, 16, generator=generator)).view(16, 64, 16))


@pytest.mark.parametrize("changes", [{}, {"shuffle": "snapshots", "batch_rows": None}, {"precision": "bfloat16"}], ids=str)
@pytest.mark.parametrize("target", [2.0, 5.5])
def test_a_training_meets_its_target(planted, target, changes):
    """Within a tenth at the end, shuffled or not and in bfloat16; the published SAE has as many features on, and explains most of x."""
    given = {"target_l0": target, "expansion": 4, "epochs": 40, "lr": 4e-3, "batch_rows": 64, **changes}
    config = settings("tuned", architecture="bias_adaptation", **given)
    trained = train(planted, BY_ID["encoder_s1_b3"], config)
    assert float(trained.log["l0"].iloc[-50:].mean()) == pytest.approx(target, rel=0.1)
    x = planted.values.flatten(0, 1)
    with torch.inference_mode():
        x_hat, features = AuroraSAE.from_tensors(trained.weights)(x)
    assert float((features != 0).sum(1).double().mean()) == pytest.approx(target, rel=0.1)
    fve = 1 - float((x - x_hat).square().sum() / (x - x.mean(0)).square().sum())
    assert fve > (0.5 if target == 2 else 0.7)
    assert not trained.weights["b_enc"].any()
