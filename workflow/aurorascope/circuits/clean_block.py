"""A block of a circuit on one date, as it is in the clean forecast."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from aurorascope.circuits.site import Site
from aurorascope.circuits.usual import sizes_of, tiles, written
from aurorascope.features.forward import encode
from aurorascope.sae.feature_ids import FeatureId


@dataclass(frozen=True, eq=False)
class CleanBlock:
    """A block on one date. With n tokens of width d and f features.

    Attributes:
        site: the block.
        x_nd: its output, float32.
        g_nd: gradient of the outcome there, float32.
        size_nf: sizes of the site's features, none below 0, float32.
        change_nf: what is added to them where they become their position means, float64.
        error_nd: what is added to the output where the autoencoder's error becomes its position mean, float32.
    """

    site: Site
    x_nd: torch.Tensor
    g_nd: torch.Tensor
    size_nf: np.ndarray
    change_nf: np.ndarray
    error_nd: torch.Tensor

    @classmethod
    def of(cls, site: Site, x_nd: torch.Tensor, g_nd: torch.Tensor) -> "CleanBlock":
        """From the block's output and the gradient there."""
        sizes, errors, device = [], [], x_nd.device
        with torch.inference_mode():
            for at in tiles(len(x_nd)):
                features = encode(site.sae, x_nd[at])
                sizes.append(sizes_of(features, site.ids))
                away_td = site.written_nd[at].to(device) - written(features, site.sae.W_dec)
                errors.append((site.usual_nd[at].to(device) - x_nd[at]) - away_td)
        size_nf = np.concatenate(sizes)
        # No inference tensor, which no graph could hold.
        return cls(site, x_nd, g_nd, size_nf, site.usual_nf.astype(np.float64) - size_nf, torch.cat(errors).clone())

    def pulls(self, ids: Sequence[FeatureId]) -> torch.Tensor:
        """W_dec[j] . g of some features at each token, (n_tokens, features) float32: what a unit more of each does to the outcome."""
        rows_fd = self.site.directions(ids)
        return torch.cat([self.g_nd[at] @ rows_fd.T for at in tiles(len(self.g_nd))])
