"""Matryoshka: nested dictionaries, each of which must reconstruct alone (Bussmann et al. 2025, arXiv 2503.17547).

Loss = mean over prefixes m_1 < ... < m_G = h of the MSE of the reconstruction from the first m_g latents; the term `mse` is
that of all latents. Latents are chosen by BatchTopK over all of them. Reconstructions are built up prefix by prefix, so that
each product is paid once. The order of latents is part of the result: early ones are the general ones.
"""

from collections.abc import Iterator

import torch

from aurorascope.sae.active import Active
from aurorascope.sae.auxk import AuxK
from aurorascope.sae.batchtopk import BatchTopK
from aurorascope.sae.objective import Parameters, Settings, add_product
from aurorascope.sae.prefixes import Prefixes

PREFIXES = (16, 8, 4, 2, 1)


class Matryoshka(BatchTopK):
    """See the module; `target_l0` is k, prefixes are h/16, h/8, h/4, h/2 and h."""

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        super().__init__(parameters, settings, auxk)
        ends = sorted({max(1, self.h // part) for part in PREFIXES})
        self.chunks = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
        self._prefixes = Prefixes(len(ends), self.rows, self.d, self.wide, self.device)
        self._parts: list[tuple[Active, torch.Tensor]] = []

    def _residual(self, f_nh: torch.Tensor, xc_nd: torch.Tensor) -> torch.Tensor:
        total_nd = self._r_nd[: len(xc_nd)].copy_(xc_nd).neg_()

        def totals() -> Iterator[torch.Tensor]:
            for chunk in self.chunks:
                add_product(total_nd, f_nh[:, chunk], self._weights["W_dec"][chunk])
                yield total_nd

        self._prefixes.add(totals(), len(self.chunks), len(xc_nd))
        return total_nd

    def _sparse_residual(self, active: Active, xc_nd: torch.Tensor) -> torch.Tensor:
        self._parts = [active.part(chunk) for chunk in self.chunks]
        total_nd = self._r_nd[: len(xc_nd)].copy_(xc_nd).neg_()
        pairs = zip(self._parts, self.chunks, strict=True)
        totals = (total_nd.add_(part.times(self._weights["W_dec"][chunk])) for (part, _), chunk in pairs)
        self._prefixes.add(totals, len(self.chunks), len(xc_nd))
        return total_nd

    def _to_latents(
        self, r_nd: torch.Tensor, f_nh: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> torch.Tensor:
        df_nh = self._dz_nh[: len(r_nd)]
        for chunk, sum_nd in zip(self.chunks, self._prefixes.weigh(weight_n), strict=True):
            torch.mm(sum_nd.to(self.dtype), self._weights["W_dec"][chunk].T, out=df_nh[:, chunk])
        return self._keep_on(df_nh, f_nh, n)

    def _accumulate(
        self, xc_nd: torch.Tensor, f_nh: torch.Tensor, r_nd: torch.Tensor, dz_nh: torch.Tensor, n: int
    ) -> None:
        sums_gnd = self._prefixes.sums_gnd
        for chunk, sum_nd in zip(self.chunks, sums_gnd, strict=True):
            add_product(self._grad_dh[:, chunk], sum_nd.to(self.dtype).T, f_nh[:, chunk], alpha=2 / (n * self.d))
        add_product(self.grads["W_enc"], xc_nd.to(self.dtype).T, dz_nh)
        self._add_sum(self._sum_dz_h, dz_nh)
        # b_dec is in every prefix.
        self._sum_r_d.add_(sums_gnd[0].sum(0))

    def _add_sparse(
        self, active: Active, xc_nd: torch.Tensor, r_nd: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> None:
        scale, by_latent, dz = 2 / (n * self.d), active.by_latent(), torch.empty_like(active.values)
        sums_gnd = self._prefixes.weigh(weight_n)
        for chunk, (part, which), sum_nd in zip(self.chunks, self._parts, sums_gnd, strict=True):
            by_latent.of(chunk).add_product(self.grads["W_dec"][chunk], active.values, sum_nd, scale)
            dz[which] = part.of_product(sum_nd, self._weights["W_dec"][chunk], scale)
        self._add_encoder(active, by_latent, dz, xc_nd)
        self._sum_r_d.add_(sums_gnd[0].sum(0))
