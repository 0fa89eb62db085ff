"""A boosted SAE: a second one reads what the first one leaves out, and its reconstruction is added.

With x_hat1 and h1 of the first and those of the second, x_hat2 and h2, of x - x_hat1, both together have the features (h1, h2) and
the reconstruction x_hat1 + x_hat2. The first stays as it is: without the second, all is as before (boosting: Koriagin et al. 2025,
arXiv 2507.12990, whose second SAE has no b_dec).
"""

from collections.abc import Mapping

import torch
from torch import nn

from aurorascope.errors import UserError
from aurorascope.sae.aurora_sae import AuroraSAE

GOLDEN = ("x", "residual", "features", "correction")
"""Golden vectors, rows of each: x and what the first leaves out of it, (n, d); the second's features of that, (n, h2), and its
reconstruction, (n, d)."""
# Of the largest magnitude, as golden vectors of one SAE are compared.
_RTOL = 1e-5


class Boosted(nn.Module):
    """A first SAE and a second one of its residuals.

    Args:
        first: of a block's output.
        second: of what the first leaves out.

    Attributes:
        first: as it was given; what it computes alone is what there was without the second.
        second: as it was given.
        d_model: channels.
        d_hidden: features of both, the first's before the second's.

    Raises:
        UserError: they have other numbers of channels.
    """

    def __init__(self, first: AuroraSAE, second: AuroraSAE) -> None:
        super().__init__()
        if first.d_model != second.d_model:
            raise UserError(
                "the second SAE of two", f"{first.d_model} channels, as the first has", str(second.d_model),
                "take the boost of the same block and suite",
            )
        self.first, self.second = first, second
        self.d_model, self.d_hidden = first.d_model, first.d_hidden + second.d_hidden

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Features of activations, the first's and then the second's: (..., d_model) -> (..., d_hidden)."""
        return self(x)[1]

    def decode(self, h: torch.Tensor) -> torch.Tensor:
        """Activations of features: (..., d_hidden) -> (..., d_model)."""
        n_first = self.first.d_hidden
        return self.first.decode(h[..., :n_first]) + self.second.decode(h[..., n_first:])

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(reconstruction, features) of activations (..., d_model)."""
        x_hat, h_first = self.first(x)
        correction, h_second = self.second(x - x_hat)
        return x_hat + correction, torch.cat([h_first, h_second], dim=-1)

    def check(self, golden: Mapping[str, torch.Tensor]) -> None:
        """Compute golden vectors anew and compare: they agree only where both SAEs are those that belong together.

        The second is compared on the residuals that are given, since residuals computed here are those of other last bits.

        Raises:
            ValueError: a tensor is missing, or values differ by more than 1e-5 of the largest magnitude.
        """
        if set(golden) != set(GOLDEN):
            raise ValueError(f"expected golden vectors {', '.join(GOLDEN)}, found {', '.join(sorted(golden)) or 'none'}")
        self.second.check({"x": golden["residual"], "features": golden["features"], "x_hat": golden["correction"]})
        with torch.inference_mode():
            x = golden["x"].to(self.first.b_dec.device)
            far = float((x - self.first(x)[0] - golden["residual"].to(x.device)).abs().max())
        most = _RTOL * float(golden["x"].abs().max())
        if not far <= most:
            raise ValueError(f"expected residuals of its first SAE within {most:.3g}, found some {far:.3g} off")
