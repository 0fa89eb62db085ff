"""Where the top-k family's products are sparse: up to the density at which they measured as fast as dense ones."""

import logging

import torch

from aurorascope.config.model import Sae
from aurorascope.portable.kernels import are_replaced
from aurorascope.sae.architectures import ARCHITECTURES

_LOG = logging.getLogger(__name__)
# The same at every width from 32 to 512 (docs/benchmarks.md, "Sparse steps"). A constant: what is timed while it runs would
# round as the machine is busy.
_CROSSING = 1 / 8


def densest(config: Sae, h: int, device: torch.device) -> float:
    """Share of h latents kept up to which products are sparse; 0 for never.

    Never on a GPU, where nobody has measured it, nor with portable numbers, whose kernels are those of dense products.
    """
    if device.type != "cpu" or are_replaced():
        return 0.0
    if ARCHITECTURES[config.architecture].keeps_k and config.target_l0 > _CROSSING * h:
        _LOG.info(
            "%g of %d latents a token are more than one in %g: products are dense once so many are kept.", config.target_l0, h,
            1 / _CROSSING,
        )
    return _CROSSING
