"""Random release tensors of every released form, for the tests of what loads, folds and exports them."""

import torch
from aurorascope.sae.architectures import RELEASED


def tensors(d=6, expansion=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    h = d * expansion
    shapes = {"W_enc": (d, h), "b_enc": (h,), "W_dec": (h, d), "b_dec": (d,)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


ARCHITECTURES = tuple(RELEASED)


def of(architecture, d=6, expansion=4, seed=0, k=5):
    """Random release tensors of an architecture."""
    found = tensors(d, expansion, seed)
    if architecture == "matching_pursuit":
        W_dec = torch.nn.functional.normalize(found["W_dec"], dim=1)
        found |= {"W_enc": W_dec.T.contiguous(), "b_enc": torch.zeros(d * expansion), "W_dec": W_dec}
    extras = {
        "relu": {},
        "topk": {"k": torch.tensor(k)},
        "abstopk": {"k": torch.tensor(k), "signed": torch.tensor(True)},
        "jumprelu": {"threshold": torch.linspace(0, 2, d * expansion)},
        "matching_pursuit": {"k": torch.tensor(k), "pursuit": torch.tensor(True)},
    }
    return found | extras[architecture]
