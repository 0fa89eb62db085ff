"""With scales held constant gradients go through values, gates and centred tokens alone; forecasts stay the same."""

import pytest
import torch
from aurora.model.swin3d import WindowAttention
from aurorascope.backbone.relevance import scales_held
from aurorascope.blocks import BLOCKS

from tests.backbone.test_gradients_at_blocks import checkpointing, close, heard  # noqa: F401 - a fixture


class Parts(torch.nn.Module):
    """Each part whose scale is held, alone."""

    def __init__(self):
        super().__init__()
        self.norm, self.gelu = torch.nn.LayerNorm(6), torch.nn.GELU()
        torch.nn.init.normal_(self.norm.weight)
        self.attention = WindowAttention(6, (1, 2, 2), 2)


@pytest.fixture
def parts():
    torch.manual_seed(0)
    return Parts().double().eval().requires_grad_(False)


def slope(function, x):
    """Sum over outputs, weighed, and its gradient."""
    x = x.clone().requires_grad_()
    y = function(x)
    weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).reshape(y.shape)
    return y.detach(), torch.autograd.grad((y * weight).sum(), x)[0], weight


def test_the_gate_is_all_of_a_unit_that_is_put_to_zero(parts):
    """Effect of z to 0 is -GELU(z) = -z * gate, exactly; the slope has the other sign below -0.75."""
    z = torch.tensor([-3.0, -1.5, -0.5, 0.0, 0.5, 2.0], dtype=torch.float64)
    with scales_held(parts):
        y, held, weight = slope(parts.gelu, z)
    assert torch.allclose(-z * held, -torch.nn.functional.gelu(z) * weight, atol=1e-12) and held[3] == 0.5 * weight[3]
    assert torch.allclose(y, torch.nn.functional.gelu(z), atol=1e-12)
    plain = slope(parts.gelu, z)[1]
    assert (torch.sign(plain[:2]) != torch.sign(held[:2])).all()


def test_a_norm_is_linear_once_its_denominator_is_constant(parts):
    x = torch.randn(4, 6, dtype=torch.float64)
    with scales_held(parts):
        y, held, weight = slope(parts.norm, x)
    assert torch.allclose(y, parts.norm(x), atol=1e-12)
    centred = (weight * parts.norm.weight) / (x.var(dim=-1, correction=0, keepdim=True) + parts.norm.eps).sqrt()
    assert torch.allclose(held, centred - centred.mean(dim=-1, keepdim=True), atol=1e-12)
    assert not torch.allclose(held, slope(parts.norm, x)[1], atol=1e-3)


def test_attention_is_linear_in_its_values(parts):
    """With the pattern constant a doubled input's part through the values is twice as large."""
    x = torch.randn(3, 4, 6, dtype=torch.float64)
    with scales_held(parts):
        y, held, _ = slope(parts.attention, x)
    assert torch.allclose(y, parts.attention(x), atol=1e-12)
    values = parts.attention.qkv.weight[12:]
    q, k = (x @ parts.attention.qkv.weight[at : at + 6].T + parts.attention.qkv.bias[at : at + 6] for at in (0, 6))
    q, k = (each.reshape(3, 4, 2, 3).transpose(1, 2) for each in (q, k))
    pattern = torch.softmax(q @ k.transpose(-1, -2) / 3**0.5, dim=-1)

    def by_hand(x):
        v = (x @ values.T + parts.attention.qkv.bias[12:]).reshape(3, 4, 2, 3).transpose(1, 2)
        return parts.attention.proj((pattern @ v).transpose(1, 2).reshape(3, 4, 6))

    assert torch.allclose(held, slope(by_hand, x)[1], atol=1e-12)
    assert not torch.allclose(held, slope(parts.attention, x)[1], atol=1e-3)


@pytest.mark.slow
def test_forecasts_of_aurora_stay_and_gradients_change(model, checkpointing, batch):  # noqa: F811 - the fixture
    """At all blocks, with and without activation checkpointing; afterwards nothing is held."""
    y, plain = heard(model, batch)
    with scales_held(model):
        held_y, held = heard(model, batch)
    with scales_held(checkpointing):
        _, again = heard(checkpointing, batch)
    assert float(held_y) == pytest.approx(float(y), rel=1e-5)
    for block in BLOCKS:
        close(again[block.id][1], held[block.id][1])
        assert (held[block.id][1] - plain[block.id][1]).norm() > 1e-3 * plain[block.id][1].norm()
    assert torch.equal(heard(model, batch, BLOCKS[-2:])[1][BLOCKS[-1].id][1], plain[BLOCKS[-1].id][1])
    with pytest.raises(RuntimeError, match="mine"), scales_held(model):
        raise RuntimeError("mine")
    assert not any(module._forward_hooks for module in model.modules())
