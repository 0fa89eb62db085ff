"""Matryoshka: nested dictionaries, each of which must reconstruct alone (Bussmann et al. 2025, arXiv 2503.17547).

Loss = mean over prefixes m_1 < ... < m_G = h of the MSE of the reconstruction from the first m_g latents; the term `mse` is
that of all latents. Latents are chosen by BatchTopK over all of them. Reconstructions are built up prefix by prefix, so that
each product is paid once. The order of latents is part of the result: early ones are the general ones.
"""

from collections.abc import Callable

import torch

from aurorascope.sae.active import Active
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
        self._parts: list[tuple[Active, torch.Tensor]] = []

    def _residual(self, f_nh: torch.Tensor, xc_nd: torch.Tensor) -> torch.Tensor:
        def add(total_nd: torch.Tensor, chunk: slice) -> None:
            self._add_product(total_nd, f_nh[:, chunk], self._weights["W_dec"][chunk])

        return self._prefixes(xc_nd, add)

    def _sparse_residual(self, active: Active, xc_nd: torch.Tensor) -> torch.Tensor:
        self._parts = [active.part(chunk) for chunk in self.chunks]
        parts = iter(self._parts)

        def add(total_nd: torch.Tensor, chunk: slice) -> None:
            total_nd.add_(next(parts)[0].times(self._weights["W_dec"][chunk]))

        return self._prefixes(xc_nd, add)

    def _prefixes(self, xc_nd: torch.Tensor, add: Callable[[torch.Tensor, slice], None]) -> torch.Tensor:
        """x_hat - x of all latents; `add` adds a chunk's reconstruction, and the sums over prefixes are left in `_r_gnd`."""
        m = len(xc_nd)
        total_nd = self._r_nd[:m].copy_(xc_nd).neg_()
        for chunk, r_nd in zip(self.chunks, self._r_gnd[:, :m], strict=True):
            add(total_nd, chunk)
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
        df_nh = self._dz_nh[: len(r_nd)]
        for chunk, sum_nd in zip(self.chunks, self._weighed(weight_n, len(r_nd)), strict=True):
            torch.mm(sum_nd.to(self.dtype), self._weights["W_dec"][chunk].T, out=df_nh[:, chunk])
        return self._keep_on(df_nh, f_nh, n)

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

    def _weighed(self, weight_n: torch.Tensor | None, m: int) -> torch.Tensor:
        """Sums over the prefixes that hold a chunk, (chunks, m, d), times the rows' weights."""
        sums_gnd = self._r_gnd[:, :m]
        return sums_gnd if weight_n is None else sums_gnd.mul_(weight_n[:, None])

    def _add_sparse(
        self, active: Active, xc_nd: torch.Tensor, r_nd: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> None:
        scale, by_latent, dz = 2 / (n * self.d), active.by_latent(), torch.empty_like(active.values)
        sums_gnd = self._weighed(weight_n, len(r_nd))
        for chunk, (part, which), sum_nd in zip(self.chunks, self._parts, sums_gnd, strict=True):
            by_latent.of(chunk).add_product(self.grads["W_dec"][chunk], active.values, sum_nd, scale)
            dz[which] = part.of_product(sum_nd, self._weights["W_dec"][chunk], scale)
        self._add_encoder(active, by_latent, dz, xc_nd)
        self._sum_r_d.add_(sums_gnd[0].sum(0))
