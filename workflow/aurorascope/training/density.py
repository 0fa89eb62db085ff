"""Where the top-k family's products are sparse: up to the density at which they measured as fast as dense ones."""

import logging

import torch

from aurorascope.config.model import Sae
from aurorascope.portable.kernels import are_replaced
from aurorascope.sae.architectures import ARCHITECTURES

_LOG = logging.getLogger(__name__)


def densest(config: Sae, h: int, device: torch.device) -> float:
    """Share of h latents kept up to which products are sparse; 0 for never.

    Never on a GPU, where nobody has measured it, nor with portable numbers, whose kernels are those of dense products.
    """
    if device.type != "cpu" or are_replaced():
        return 0.0
    share = ARCHITECTURES[config.architecture].densest
    if share and config.target_l0 > share * h:
        _LOG.info(
            "%g of %d latents a token are more than one in %g: products are dense once so many are kept.", config.target_l0, h,
            1 / share,
        )
    return share
