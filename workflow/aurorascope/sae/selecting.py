"""What the top-k family has in common: latents are chosen, and where few are, products are over those alone.

After the dense z = xc W_enc + b_enc, a step's other four products are sums over the entries that are on (`active.Active`)
where these are at most `Settings.densest` of all, and dense where they are more, on a GPU and in bfloat16. Which of the two
follows from the number of latents that is kept, never from a time or the values, so that it is the same in every run.
"""

from dataclasses import replace

import numpy as np
import torch

from aurorascope.sae.active import Active, ByLatent
from aurorascope.sae.auxk import AuxK
from aurorascope.sae.objective import Objective, Parameters, Settings, weigh
from aurorascope.sae.selection import Chosen, largest


class Selecting(Objective):
    """See the module; `target_l0` is the number of latents per token that is kept in the end."""

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        super().__init__(parameters, settings, auxk)
        # The memory of the other sum's transpose, which these products do not need.
        self._grad_enc_hd = self._grad_dh.view(self.h, self.d)
        # NumPy knows neither bfloat16 nor a GPU.
        self._is_exact = self.device.type == "cpu" and self.dtype == self.wide
        self._is_sparse = False
        self._places = np.empty(0, np.int64)

    def kept(self) -> float:
        """Latents on per token that are kept at this point of the training.

        Growing from 1, latents first divide the data among themselves and are then joined, rather than left out, by others:
        far fewer die than with all of them from the start (docs/benchmarks.md, "Architectures and recipes").
        """
        target, growth = self.settings.target_l0, self.settings.growth
        return target if self.progress >= growth else 1 + (target - 1) * self.progress / growth

    def _choose(self, z_nh: torch.Tensor) -> Chosen:
        """Places and values of the latents that stay, as `selection.largest`; z_nh is float32 on the CPU."""
        raise NotImplementedError

    def _mask(self, z_nh: torch.Tensor) -> torch.Tensor:
        """As `_choose`, on a GPU and in bfloat16: the latents, in place, zero but where they stay."""
        raise NotImplementedError

    def _begin(self, x_nd: torch.Tensor, centre_d: torch.Tensor) -> None:
        super()._begin(x_nd, centre_d)
        self._is_sparse = self._is_exact and self.kept() <= self.settings.densest * self.h

    def _end(self, n: int) -> None:
        if not self._is_sparse:
            super()._end(n)
            return
        self.grads["b_enc"].copy_(self._sum_dz_h)
        self.grads["W_enc"].copy_(self._grad_enc_hd.T)

    def _activate(self, z_nh: torch.Tensor) -> torch.Tensor:
        if not self._is_exact:
            return self._mask(z_nh)
        self._places, values = self._choose(z_nh)
        return _only(z_nh, self._places, values)

    def _to_latents(
        self, r_nd: torch.Tensor, f_nh: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> torch.Tensor:
        df_nh = torch.mm(r_nd.to(self.dtype), self._weights["W_dec"].T, out=self._dz_nh[: len(r_nd)])
        return self._keep_on(df_nh, f_nh, n)

    def _keep_on(self, df_nh: torch.Tensor, f_nh: torch.Tensor, n: int) -> torch.Tensor:
        """2 / (n d) times the gradients of latents that are on, in place; zeros for the others."""
        scale = 2 / (n * self.d)
        if self._is_exact:
            return _only(df_nh, self._places, df_nh.numpy().reshape(-1)[self._places] * df_nh.numpy().dtype.type(scale))
        return df_nh.mul_(scale).mul_(f_nh != 0)

    def _micro(self, xc_nd: torch.Tensor, weight_n: torch.Tensor | None, n: int) -> None:
        if not self._is_sparse:
            super()._micro(xc_nd, weight_n, n)
            return
        z_nh = self._encode(xc_nd, self._f_nh)
        dead = self._sparse_dead(z_nh)
        active = Active.of(self._choose(z_nh), len(xc_nd), self.h)
        r_nd = self._sparse_residual(active, xc_nd)
        q_nd = None if dead is None else self._dead_residual(dead, r_nd)
        self._sse.add_(weigh(r_nd, weight_n))
        self._add_sparse(active, xc_nd, r_nd, weight_n, n)
        if dead is not None:
            self._aux.add_(weigh(q_nd, weight_n))
            self._add_dead(dead, q_nd, xc_nd, n)

    def _sparse_residual(self, active: Active, xc_nd: torch.Tensor) -> torch.Tensor:
        return active.times(self._weights["W_dec"]).sub_(xc_nd)

    def _add_sparse(
        self, active: Active, xc_nd: torch.Tensor, r_nd: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> None:
        """Add a micro-batch to the gradients; rows of r_nd are x_hat - x times their weights."""
        scale, by_latent = 2 / (n * self.d), active.by_latent()
        by_latent.add_product(self.grads["W_dec"], active.values, r_nd, scale)
        self._add_encoder(active, by_latent, active.of_product(r_nd, self._weights["W_dec"], scale), xc_nd)
        self._sum_r_d.add_(r_nd.sum(0))

    def _add_encoder(self, active: Active, by_latent: ByLatent, dz: torch.Tensor, xc_nd: torch.Tensor) -> None:
        by_latent.add_product(self._grad_enc_hd, dz, xc_nd)
        self._sum_dz_h.add_(active.total(dz))
        self.on_h.add_(torch.from_numpy(np.diff(by_latent.ends)))

    def _pick_dead(self, z_nh: torch.Tensor) -> torch.Tensor | None:
        dead_i = None if self.auxk is None else self.auxk.dead_i
        if not self._is_exact or dead_i is None or self.auxk.k >= len(dead_i):
            return super()._pick_dead(z_nh)
        z_nk = z_nh.index_select(1, dead_i)
        return _only(z_nk, *largest(z_nk, self.auxk.k, False))

    def _sparse_dead(self, z_nh: torch.Tensor) -> Active | torch.Tensor | None:
        """Latents of the dead that AuxK keeps: over all latents where they are few of the dead, else as `AuxK.pick`."""
        dead_i = None if self.auxk is None else self.auxk.dead_i
        if dead_i is None or self.auxk.k > self.settings.densest * len(dead_i):
            return self._pick_dead(z_nh)
        z_nk = z_nh.index_select(1, dead_i)
        kept = Active.of(largest(z_nk, self.auxk.k, False), *z_nk.shape)
        return replace(kept, columns=dead_i.numpy()[kept.columns].astype(np.int32), h=self.h)

    def _dead_residual(self, dead: Active | torch.Tensor, r_nd: torch.Tensor) -> torch.Tensor:
        """As `AuxK.residual`."""
        if isinstance(dead, Active):
            return dead.times(self._weights["W_dec"]).add_(r_nd)
        return self.auxk.residual(dead, r_nd, self._weights["W_dec"])

    def _add_dead(self, dead: Active | torch.Tensor, q_nd: torch.Tensor, xc_nd: torch.Tensor, n: int) -> None:
        """Add the auxiliary loss's gradient; rows of q_nd are times their weights."""
        if isinstance(dead, Active):
            scale, by_latent = 2 * self.auxk.weight / (n * self.d), dead.by_latent()
            by_latent.add_product(self.grads["W_dec"], dead.values, q_nd, scale)
            dz = dead.of_product(q_nd, self._weights["W_dec"], scale)
            by_latent.add_product(self._grad_enc_hd, dz, xc_nd)
            self._sum_dz_h.add_(dead.total(dz))
            return
        dz_nk, dead_i = self.auxk.gradient(dead, q_nd, self._weights["W_dec"], self.grads["W_dec"], n), self.auxk.dead_i
        self._grad_enc_hd.index_add_(0, dead_i, torch.mm(dz_nk.T, xc_nd))
        self._sum_dz_h.index_add_(0, dead_i, dz_nk.sum(0))


def _only(values_nh: torch.Tensor, places: np.ndarray, values: np.ndarray) -> torch.Tensor:
    """The matrix with these values at these places, flat, and zeros elsewhere; in place."""
    # Several times as fast as torch's indexing.
    flat = values_nh.numpy().reshape(-1)
    flat.fill(0)
    flat[places] = values
    return values_nh
