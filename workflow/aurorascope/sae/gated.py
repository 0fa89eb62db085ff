"""Gated: one set of directions decides which latents are on and, rescaled, how much (Rajamanoharan et al. 2024, arXiv 2404.16014).

With w = (x - b_dec) W_enc: pi = w + b_gate and f = 1[pi > 0] ReLU(w exp(r_mag) + b_enc), b_enc being the paper's b_mag. Loss =
MSE + weight * (mean over tokens of the sum of ReLU(pi)) + the MSE of the reconstruction from ReLU(pi), in which the decoder,
b_dec included, is held fixed. Seven products instead of five. Published in the equivalent JumpReLU form: W_enc exp(r_mag),
b_enc and threshold = max(0, b_enc - b_gate exp(r_mag)).
"""

import torch

from aurorascope.sae.auxk import AuxK
from aurorascope.sae.objective import Parameters, Settings
from aurorascope.sae.penalised import Penalised


class Gated(Penalised):
    """See the module."""

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        super().__init__(parameters, settings, auxk)
        self._w_nh, self._gate_nh = self._latents(), self._latents()
        self._q_nd = torch.empty_like(self._r_nd)
        self._exp_h = self._zeros(self.h)

    @staticmethod
    def extra_parameters(d_model: int, d_hidden: int) -> Parameters:
        """b_gate and r_mag."""
        return {"b_gate": torch.zeros(d_hidden), "r_mag": torch.zeros(d_hidden)}

    def _begin(self, x_nd: torch.Tensor, centre_d: torch.Tensor) -> None:
        super()._begin(x_nd, centre_d)
        torch.exp(self.parameters["r_mag"], out=self._exp_h)

    def _encode(self, xc_nd: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """pi; w is kept."""
        m = len(xc_nd)
        w_nh = torch.mm(xc_nd.to(self.dtype), self._weights["W_enc"], out=self._w_nh[:m])
        return torch.add(w_nh, self.parameters["b_gate"].to(self.dtype), out=out[:m])

    def _activate(self, z_nh: torch.Tensor) -> torch.Tensor:
        m, low = len(z_nh), self.dtype
        gate_nh = torch.clamp(z_nh, min=0, out=self._gate_nh[:m])
        f_nh = torch.mul(self._w_nh[:m], self._exp_h.to(low), out=z_nh).add_(self.parameters["b_enc"].to(low)).relu_()
        return f_nh.mul_(gate_nh > 0)

    def _residual(self, f_nh: torch.Tensor, xc_nd: torch.Tensor) -> torch.Tensor:
        m = len(xc_nd)
        self._error(self._gate_nh[:m], xc_nd, self._q_nd[:m])
        return super()._residual(f_nh, xc_nd)

    def _to_latents(
        self, r_nd: torch.Tensor, f_nh: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> torch.Tensor:
        m = len(r_nd)
        gate_nh, q_nd, w_nh = self._gate_nh[:m], self._q_nd[:m], self._w_nh[:m]
        dmag_nh = super()._to_latents(r_nd, f_nh, weight_n, n)
        self._add_sum(self.grads["b_enc"], dmag_nh)
        dmag_nh.mul_(self._exp_h.to(self.dtype))
        self._add_sum(self.grads["r_mag"], w_nh.mul_(dmag_nh))
        self._penalty.add_(self._total(gate_nh, weight_n))
        slope_n1 = (self.state["sparsity"] / n).view(1, 1)
        if weight_n is not None:
            q_nd.mul_(weight_n[:, None])
            slope_n1 = slope_n1 * weight_n[:, None]
        scale = 2 / (n * self.d)
        # w has been read for the last time.
        dgate_nh = torch.addmm(
            slope_n1.to(self.dtype), q_nd.to(self.dtype), self._weights["W_dec"].T, alpha=scale, out=w_nh
        )
        torch.ops.aten.threshold_backward.grad_input(dgate_nh, gate_nh, 0, grad_input=dgate_nh)
        self._add_sum(self.grads["b_gate"], dgate_nh)
        return dmag_nh.add_(dgate_nh)

    def _pass_bias(self, dz_nk: torch.Tensor) -> None:
        self.grads["b_gate"].index_add_(0, self.auxk.dead_i, dz_nk.sum(0, dtype=self.wide))

    def _end(self, n: int) -> None:
        # Not the sum of dz: b_enc is the magnitude's bias alone.
        self.grads["W_dec"].add_(self._grad_dh.T)

    def release(self) -> Parameters:
        """The equivalent JumpReLU's tensors."""
        # Not where it was trained: exponentials differ in last bits between devices, and a finished training may be exported
        # on another.
        p = {name: tensor.cpu() for name, tensor in self.parameters.items()}
        exp_h = torch.exp(p["r_mag"])
        threshold_h = (p["b_enc"] - p["b_gate"] * exp_h).clamp_(min=0)
        return {**super().release(), "W_enc": p["W_enc"] * exp_h, "threshold": threshold_h}
