"""ReLU + L1: h = ReLU((x - b_dec) W_enc + b_enc), decoder rows of unit norm (Bricken et al. 2023; the card's architecture).

Loss = mean over tokens and channels of (x_hat - x)^2 + l1 * (mean over tokens of the sum over latents of h). The card gives
no reductions; these are ours, and the index states them. With `p_end` below 1 the penalty is the sum of h^p, written
h (h + 0.001)^(p - 1), and p goes from 1 to p_end over the last `1 - ANNEAL_FROM` of training (p-annealing, Karvonen et al.
2024, arXiv 2408.00113). With a target the weight follows L0 (`control.follow`).
"""

import torch

from aurorascope.sae.penalised import Penalised

ANNEAL_FROM = 0.5
# The slope of h^p is infinite at 0; (h + this)^(p - 1) h has none, and is h^p for latents that are on.
_EPS = 1e-3


class Relu(Penalised):
    """See the module."""

    @property
    def p(self) -> float:
        """Exponent of the penalty at this point of training."""
        share = max(0.0, self.progress - ANNEAL_FROM) / (1 - ANNEAL_FROM)
        return 1 - share * (1 - self.settings.p_end)

    def _activate(self, z_nh: torch.Tensor) -> torch.Tensor:
        return z_nh.relu_()

    def _to_latents(
        self, r_nd: torch.Tensor, f_nh: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> torch.Tensor:
        df_nh, slope_n1 = self._dz_nh[: len(r_nd)], (self.state["sparsity"] / n).view(1, 1)
        if weight_n is not None:
            slope_n1 = slope_n1 * weight_n[:, None]
        # The penalty's slope is where the product's sum starts: it costs no pass over the latents.
        start_nh = slope_n1
        if self.p == 1:
            self._penalty.add_(self._total(f_nh, weight_n))
        else:
            start_nh = self._slopes(f_nh, weight_n).mul_(slope_n1)
        scale = 2 / (n * self.d)
        torch.addmm(start_nh.to(self.dtype), r_nd.to(self.dtype), self._weights["W_dec"].T, alpha=scale, out=df_nh)
        return torch.ops.aten.threshold_backward.grad_input(df_nh, f_nh, 0, grad_input=df_nh)

    def _slopes(self, f_nh: torch.Tensor, weight_n: torch.Tensor | None) -> torch.Tensor:
        # With g = h + eps: h g^(p - 1) = g^(p - 2) g h, and its slope is g^(p - 2) (p h + eps). One power serves both.
        f_nh, p = f_nh.to(self.wide), self.p
        above_nh = f_nh + _EPS
        power_nh = above_nh.pow(p - 2)
        self._penalty.add_(self._total(above_nh.mul_(f_nh).mul_(power_nh), weight_n))
        return power_nh.mul_(torch.mul(f_nh, p, out=above_nh).add_(_EPS))
