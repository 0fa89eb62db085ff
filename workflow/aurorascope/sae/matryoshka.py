"""Matryoshka: nested dictionaries, each of which must reconstruct alone (Bussmann et al. 2025, arXiv 2503.17547).

Loss = mean over prefixes m_1 < ... < m_G = h of the MSE of the reconstruction from the first m_g latents; the term `mse` is
that of all latents. Latents are chosen by BatchTopK over all of them. Reconstructions are built up prefix by prefix, so that
each product is paid once. The order of latents is part of the result: early ones are the general ones.
"""

import torch

from aurorascope.sae.auxk import AuxK
from aurorascope.sae.batchtopk import BatchTopK
from aurorascope.sae.objective import Parameters, Settings

PREFIXES = (16, 8, 4, 2, 1)


class Matryoshka(BatchTopK):
    """See the module; `target_l0` is k, prefixes are h/16, h/8, h/4, h/2 and h."""

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        super().__init__(parameters, settings, auxk)
        ends = sorted({max(1, self.h // part) for part in PREFIXES})
        self.chunks = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        # Residuals of the prefixes, then for each chunk the sum over all prefixes that hold it.
        self._r_gnd = torch.empty(len(ends), self.rows, self.d, dtype=self.wide, device=self.device)

    def _residual(self, f_nh: torch.Tensor, xc_nd: torch.Tensor) -> torch.Tensor:
        m = len(xc_nd)
        total_nd = self._r_nd[:m].copy_(xc_nd).neg_()
        for chunk, r_nd in zip(self.chunks, self._r_gnd[:, :m], strict=True):
            self._add_product(total_nd, f_nh[:, chunk], self._weights["W_dec"][chunk])
            r_nd.copy_(total_nd)
        for g in range(len(self.chunks) - 2, -1, -1):
            self._r_gnd[g, :m].add_(self._r_gnd[g + 1, :m])
        self._r_gnd[:, :m].mul_(1 / len(self.chunks))
        return total_nd

    @staticmethod
    def _add_product(total: torch.Tensor, a: torch.Tensor, b: torch.Tensor, alpha: float = 1) -> None:
        if a.dtype == total.dtype:
            total.addmm_(a, b, alpha=alpha)
        else:
            total.add_(torch.mm(a, b), alpha=alpha)

    def _to_latents(
        self, r_nd: torch.Tensor, f_nh: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> torch.Tensor:
        m = len(r_nd)
        if weight_n is not None:
            self._r_gnd[:, :m].mul_(weight_n[:, None])
        df_nh = self._dz_nh[:m]
        for chunk, sum_nd in zip(self.chunks, self._r_gnd[:, :m], strict=True):
            torch.mm(sum_nd.to(self.dtype), self._weights["W_dec"][chunk].T, out=df_nh[:, chunk])
        df_nh.mul_(2 / (n * self.d))
        return torch.ops.aten.threshold_backward.grad_input(df_nh, f_nh, 0, grad_input=df_nh)

    def _accumulate(
        self, xc_nd: torch.Tensor, f_nh: torch.Tensor, r_nd: torch.Tensor, dz_nh: torch.Tensor, n: int
    ) -> None:
        sums_gnd = self._r_gnd[:, : len(r_nd)]
        for chunk, sum_nd in zip(self.chunks, sums_gnd, strict=True):
            self._add_product(self._grad_dh[:, chunk], sum_nd.to(self.dtype).T, f_nh[:, chunk], alpha=2 / (n * self.d))
        self._add_product(self.grads["W_enc"], xc_nd.to(self.dtype).T, dz_nh)
        self._add_sum(self._sum_dz_h, dz_nh)
        # b_dec is in every prefix.
        self._sum_r_d.add_(sums_gnd[0].sum(0))
