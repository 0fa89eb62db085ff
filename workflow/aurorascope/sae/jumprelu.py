"""JumpReLU: f = z H(z - theta), theta > 0 a parameter of each latent (Rajamanoharan et al. 2024, arXiv 2407.14435).

Loss = MSE + weight * (L0 / target - 1)^2, L0 being the batch's latents on per token. Through the jump, gradients with respect
to theta are those of the paper's rectangle kernel K(u) = 1[|u| < 1/2] of width eps: df/dtheta = -(theta / eps)
K((z - theta) / eps) and dH/dtheta = -(1 / eps) K((z - theta) / eps). Theta itself is kept, in float32 and never below 0, not
its logarithm. Tokens' weights concern the MSE alone: L0 counts each token alike, in value and in slope.

Units: the paper's eps = theta_0 = 0.001 are for inputs of mean squared norm 1; ours have a mean square of 1 a channel where a
recipe scales them, which is why `EPS` and `THETA_0` are larger.
"""

import torch

from aurorascope.sae.auxk import AuxK
from aurorascope.sae.objective import Objective, Parameters, Settings

EPS = 1.0
THETA_0 = 1.0


class JumpRelu(Objective):
    """See the module; `sparsity` is the weight of the L0 term."""

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        super().__init__(parameters, settings, auxk)
        self._near_nh = self._latents()
        self._sum_near_h, self._sum_df_h = self._zeros(self.h), self._zeros(self.h)
        self._l0_term = self._zeros()

    @staticmethod
    def extra_parameters(d_model: int, d_hidden: int) -> Parameters:
        """The thresholds theta."""
        return {"threshold": torch.full((d_hidden,), THETA_0)}

    def _clear(self) -> None:
        super()._clear()
        self._sum_near_h.zero_()
        self._sum_df_h.zero_()

    def _activate(self, z_nh: torch.Tensor) -> torch.Tensor:
        theta_h = self.parameters["threshold"]
        near_nh = torch.sub(z_nh, theta_h, out=self._near_nh[: len(z_nh)]).abs_()
        torch.lt(near_nh, EPS / 2, out=near_nh)
        return z_nh.mul_(z_nh > theta_h)

    def _to_latents(
        self, r_nd: torch.Tensor, f_nh: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> torch.Tensor:
        df_nh, near_nh = self._through_decoder(r_nd, n), self._near_nh[: len(r_nd)]
        self._add_sum(self._sum_near_h, near_nh)
        self._add_sum(self._sum_df_h, near_nh.mul_(df_nh))
        return torch.ops.aten.threshold_backward.grad_input(df_nh, f_nh, 0, grad_input=df_nh)

    def _end(self, n: int) -> None:
        super()._end(n)
        target = self.settings.target_l0
        excess = self.on_h.sum() / n / target - 1
        self._l0_term = excess**2
        slope = 2 * self.settings.sparsity * excess / (target * n)
        by_value_h = self._sum_df_h.mul_(self.parameters["threshold"])
        torch.addcmul(by_value_h, self._sum_near_h, slope, out=self.grads["threshold"]).mul_(-1 / EPS)

    def _sparsity(self, n: int) -> torch.Tensor:
        return self._l0_term

    def constrain(self) -> None:
        """Keep theta >= 0."""
        self.parameters["threshold"].clamp_(min=0)

    def release(self) -> Parameters:
        """The four tensors and theta."""
        return {**super().release(), "threshold": self.parameters["threshold"].clone()}
