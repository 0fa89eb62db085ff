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
    extras = {
        "relu": {},
        "topk": {"k": torch.tensor(k)},
        "abstopk": {"k": torch.tensor(k), "signed": torch.tensor(True)},
        "jumprelu": {"threshold": torch.linspace(0, 2, d * expansion)},
    }
    return tensors(d, expansion, seed) | extras[architecture]
