"""A second SAE beside a first: what both compute, and what is left when the second is taken away."""

import pytest
import torch
from aurorascope.boosting.boosted import Boosted
from aurorascope.errors import UserError
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE

from tests.architectures import of


def two(form="topk", d=6):
    return (AuroraSAE.from_tensors(of(form, d, expansion, seed=expansion)) for expansion in (2, 3))


@pytest.mark.parametrize("form", RELEASED)
def test_both_compute_what_is_documented(form):
    """Features side by side; the second reads what the first leaves out; reconstructions add up."""
    first, second = two(form)
    boosted, x = Boosted(first, second), torch.randn(50, 6, generator=torch.Generator().manual_seed(3)) * 3
    with torch.inference_mode():
        x_hat, h = boosted(x)
        h_first = first.encode(x)
        left = x - (h_first @ first.W_dec + first.b_dec)
        h_second = second.encode(left)
        expected = h_first @ first.W_dec + first.b_dec + h_second @ second.W_dec + second.b_dec
        assert torch.equal(h, torch.cat([h_first, h_second], dim=1)) and boosted.d_hidden == h.shape[1] == 30
        torch.testing.assert_close(x_hat, expected)
        torch.testing.assert_close(boosted.decode(h), x_hat)
        assert torch.equal(boosted.encode(x), h) and (h_second != 0).any()


def test_without_the_second_all_is_as_before_bit_for_bit():
    """The first SAE of the two computes what it computed alone, and its tensors are what they were."""
    first, second = two("abstopk")
    alone = AuroraSAE.from_tensors({name: tensor.clone() for name, tensor in first.state_dict().items()})
    boosted, x = Boosted(first, second), torch.randn(50, 6, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        boosted(x)
        for mine, its in zip(boosted.first(x), alone(x), strict=True):
            assert mine.numpy().tobytes() == its.numpy().tobytes()
    assert all(torch.equal(tensor, alone.state_dict()[name]) for name, tensor in boosted.first.state_dict().items())


def test_saes_of_other_blocks_are_refused():
    first, _ = two(d=6)
    _, second = two(d=4)
    with pytest.raises(UserError, match="expected 6 channels, as the first has, found 4"):
        Boosted(first, second)


@pytest.mark.parametrize("spoilt", ["first", "second", "name"])
def test_golden_vectors_are_met_by_both_alone(spoilt):
    """Altered weights of either, or a tensor of another name, are told."""
    first, second = two()
    x = torch.randn(8, 6, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        left = x - first(x)[0]
        correction, features = second(left)
    golden = {"x": x, "residual": left, "features": features, "correction": correction}
    boosted = Boosted(first, second)
    boosted.check(golden)
    with torch.no_grad():
        if spoilt == "name":
            golden["other"] = golden.pop("x")
        else:
            getattr(boosted, spoilt).b_dec[0] += 0.01
    with pytest.raises(ValueError, match="expected"):
        boosted.check(golden)
