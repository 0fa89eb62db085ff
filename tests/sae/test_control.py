import math

import pytest
import torch
from aurorascope.sae.control import DAMPING, SPAN, follow
from hypothesis import given
from hypothesis import strategies as st

STEPS = 1000


def scalar(value):
    return torch.tensor(value, dtype=torch.float64)


@given(st.floats(1e-6, 1e3), st.floats(0, 1e5), st.floats(1, 1e3))
def test_direction_and_size_of_a_first_step(weight, l0, target):
    """Too many latents on raise the weight, too few lower it; at an excess that stays, by a share of the span at most."""
    moved, excess = scalar(weight), math.log(max(l0 / target, 0.01))
    follow(moved, scalar(excess), scalar(l0), target, STEPS)
    change = math.log(float(moved) / weight)
    assert abs(change) <= SPAN / STEPS + 1e-9
    assert change > 0 or l0 <= 1.001 * target
    assert change < 0 or l0 >= 0.999 * target


def test_at_the_target_it_stays():
    weight, before = scalar(0.3), scalar(0.0)
    follow(weight, before, scalar(32.0), 32.0, STEPS)
    assert float(weight) == pytest.approx(0.3, rel=1e-12) and float(before) == 0


def test_a_falling_l0_is_braked():
    """What falls below the step before lowers the weight at once, in proportion."""
    weight, before = scalar(1.0), scalar(math.log(4.0))
    follow(weight, before, scalar(32.0), 32.0, STEPS)
    assert float(weight) == pytest.approx(4.0**-DAMPING, rel=1e-9)


@pytest.mark.parametrize("l0", [0.0, 1e9])
def test_it_stays_finite_and_positive(l0):
    """Thousands of steps with nothing on, or everything, end at a bound from which the weight can return."""
    weight, before = torch.tensor(1.0), torch.tensor(0.0)
    for _ in range(9000):
        follow(weight, before, torch.tensor(l0), 32.0, STEPS)
    assert 0 < float(weight) < math.inf
    bound = float(weight)
    follow(weight, before, torch.tensor(1e9 - l0), 32.0, STEPS)
    assert (float(weight) > bound) == (l0 == 0) and float(weight) != bound


def test_from_zero_it_can_rise():
    weight = scalar(0.0)
    follow(weight, scalar(0.0), scalar(100.0), 10.0, STEPS)
    assert float(weight) > 0


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("start", [1e-4, 1e-2, 1.0])
def test_it_finds_the_weight_and_keeps_it(start, power):
    """Where L0 falls as a power of the weight, and answers 20 steps late, the weight that gives the target is found."""
    weight, before, l0 = scalar(start), scalar(0.0), scalar(200.0)
    seen = []
    for _ in range(4000):
        l0.mul_(((0.1 / weight) ** power * 32 / l0).pow(1 / 20)).clamp_(max=256)
        follow(weight, before, l0, 32.0, 4000)
        seen.append(float(l0))
    assert seen[-500:] == pytest.approx([32.0] * 500, rel=0.02)
