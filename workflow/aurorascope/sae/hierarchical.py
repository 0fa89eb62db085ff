"""Hierarchical top-k: one dictionary for several numbers of latents kept (Balagansky et al. 2025, arXiv 2505.24473).

A token keeps its k largest ReLU pre-activations, as in top-k, and the largest j of these alone must reconstruct it too:
loss = mean over budgets j of the MSE of the reconstruction from the j largest latents. The paper takes every j up to k or a
subset; the budgets here are `budgets.budgets`, an eighth, a quarter, half and all of k. The term `mse` is that of all k. What
is released is a top-k autoencoder, and any smaller k may be set in it.

Where products are sparse, entries of a token's latents are held as if each budget were a token of its own, with the latents
that it adds to the smaller ones: every product then has the entries that top-k's has. Dense steps take two and three for each
budget products of the full size, where top-k takes five.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch

from aurorascope.sae.active import Active
from aurorascope.sae.auxk import AuxK
from aurorascope.sae.budgets import budgets
from aurorascope.sae.objective import Parameters, Settings, add_product
from aurorascope.sae.prefixes import Prefixes
from aurorascope.sae.selection import LEAST
from aurorascope.sae.topk import TopK


class Hierarchical(TopK):
    """See the module; `target_l0` is k.

    `state["removal"]` is, for each latent, by how much the loss of a step of the last epoch would grow if the latent alone were
    left out of all reconstructions, summed over these steps, (h,) float64; `state["n_removal"]` is their number.
    """

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        super().__init__(parameters, settings, auxk)
        self.state["removal"] = torch.zeros(self.h, dtype=torch.float64, device=self.device)
        self.state["n_removal"] = torch.zeros((), dtype=torch.int64, device=self.device)
        self._prefixes = Prefixes(len(budgets(self.k)), self.rows, self.d, self.wide, self.device)
        self._budgets: tuple[int, ...] = ()
        # Entries with a row for each budget and row, budget by budget: the latents that it adds to the smaller ones.
        self._stacked: Active | None = None
        # One more than the place of the smallest budget that holds a latent; 0 where it is not kept.
        self._budget_nh: torch.Tensor | None = None
        self._of_rank_k = torch.empty(0, dtype=torch.uint8, device=self.device)
        self._is_last, self._square_h = False, self._zeros(self.h)

    def importance(self) -> torch.Tensor:
        """Mean over the last epoch's steps of the loss's growth without each latent, (h,) float64, in units of training."""
        return self.state["removal"] / self.state["n_removal"]

    def _begin(self, x_nd: torch.Tensor, centre_d: torch.Tensor) -> None:
        super()._begin(x_nd, centre_d)
        self._budgets = budgets(round(self.kept()))
        of_rank = np.searchsorted(self._budgets, np.arange(self._budgets[-1]), side="right") + 1
        self._of_rank_k = torch.from_numpy(of_rank.astype(np.uint8)).to(self.device)
        # Half a step, so that rounding of a share does not decide.
        self._is_last = self.progress > 1 - self.settings.last_epoch + 0.5 / self.settings.n_steps
        if self._is_last:
            self._square_h = self.parameters["W_dec"].square().sum(1)

    def _end(self, n: int) -> None:
        super()._end(n)
        self.state["n_removal"].add_(int(self._is_last))

    def _sparse_residual(self, active: Active, xc_nd: torch.Tensor) -> torch.Tensor:
        m, n_budgets = len(xc_nd), len(self._budgets)
        self._stacked = _stack(active, self._budgets)
        added_gnd = self._stacked.times(self._weights["W_dec"]).view(n_budgets, m, self.d)
        total_nd = self._r_nd[:m].copy_(xc_nd).neg_()
        self._prefixes.add((total_nd.add_(added_nd) for added_nd in added_gnd), n_budgets, m)
        return total_nd

    def _add_sparse(
        self, active: Active, xc_nd: torch.Tensor, r_nd: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> None:
        stacked, scale, m = self._stacked, 2 / (n * self.d), len(xc_nd)
        sums_gnd, by_latent = self._prefixes.weigh(weight_n), stacked.by_latent()
        sums_nd = sums_gnd.reshape(-1, self.d)
        by_latent.add_product(self.grads["W_dec"], stacked.values, sums_nd, scale)
        dz = stacked.of_product(sums_nd, self._weights["W_dec"], scale)
        self._add_encoder(stacked, replace(by_latent, rows=by_latent.rows % np.int32(m)), dz, xc_nd)
        # b_dec is in every reconstruction.
        self._sum_r_d.add_(sums_gnd[0].sum(0))
        if self._is_last:
            self._add_removal(dz, weight_n, n)

    def _add_removal(self, dz: torch.Tensor, weight_n: torch.Tensor | None, n: int) -> None:
        """Without f d, errors r of the reconstructions that hold it are r - f d, whose square is larger by f^2 |d|^2 - 2 f r.d."""
        stacked = self._stacked
        budget, row = np.divmod(stacked.rows(), len(stacked.ends) // len(self._budgets))
        share = torch.from_numpy((len(self._budgets) - budget) / len(self._budgets)).to(self.wide)
        if weight_n is not None:
            share.mul_(weight_n[torch.from_numpy(row)])
        f = stacked.values
        square = f.square() * self._square_h[torch.from_numpy(stacked.columns)]
        self.state["removal"].add_(stacked.total(square * share / (n * self.d) - f * dz))

    def _activate(self, z_nh: torch.Tensor) -> torch.Tensor:
        f_nh = super()._activate(z_nh)
        if self._budget_nh is None:
            self._budget_nh = torch.empty(self.rows, self.h, dtype=torch.uint8, device=self.device)
        m = len(f_nh)
        budget_nh = self._budget_nh[:m].zero_()
        size_nh = f_nh.abs() if self.signed else f_nh
        places_nk = size_nh.topk(self._budgets[-1], dim=1).indices
        budget_nh.scatter_(1, places_nk, self._of_rank_k.expand(m, -1))
        return f_nh

    def _parts(self, f_nh: torch.Tensor) -> Iterator[torch.Tensor]:
        """The latents that each budget adds to the smaller ones, (m, h), zeros elsewhere."""
        for place in range(1, len(self._budgets) + 1):
            yield f_nh * (self._budget_nh[: len(f_nh)] == place)

    def _residual(self, f_nh: torch.Tensor, xc_nd: torch.Tensor) -> torch.Tensor:
        total_nd = self._r_nd[: len(xc_nd)].copy_(xc_nd).neg_()
        totals = (total_nd.add_(torch.mm(part_nh, self._weights["W_dec"])) for part_nh in self._parts(f_nh))
        self._prefixes.add(totals, len(self._budgets), len(xc_nd))
        return total_nd

    def _to_latents(
        self, r_nd: torch.Tensor, f_nh: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> torch.Tensor:
        df_nh = self._dz_nh[: len(r_nd)].zero_()
        for place, sum_nd in enumerate(self._prefixes.weigh(weight_n), start=1):
            to_all_nh = torch.mm(sum_nd.to(self.dtype), self._weights["W_dec"].T)
            df_nh.add_(to_all_nh.mul_(self._budget_nh[: len(r_nd)] == place))
        dz_nh = self._keep_on(df_nh, f_nh, n)
        if self._is_last:
            self._add_dense_removal(f_nh, dz_nh, weight_n, n)
        return dz_nh

    def _add_dense_removal(self, f_nh: torch.Tensor, dz_nh: torch.Tensor, weight_n: torch.Tensor | None, n: int) -> None:
        """As `_add_removal`."""
        n_budgets = len(self._budgets)
        share = torch.tensor([0.0, *((n_budgets - place) / n_budgets for place in range(n_budgets))], device=self.device)
        square_nh = f_nh.to(self.wide).square().mul_(share.to(self.wide)[self._budget_nh[: len(f_nh)].int()]).mul_(self._square_h)
        if weight_n is not None:
            square_nh.mul_(weight_n[:, None])
        removal_nh = square_nh.mul_(1 / (n * self.d)).sub_(f_nh.to(self.wide) * dz_nh)
        self.state["removal"].add_(removal_nh.sum(0, dtype=torch.float64))

    def _accumulate(
        self, xc_nd: torch.Tensor, f_nh: torch.Tensor, r_nd: torch.Tensor, dz_nh: torch.Tensor, n: int
    ) -> None:
        for part_nh, sum_nd in zip(self._parts(f_nh), self._prefixes.sums_gnd, strict=True):
            add_product(self._grad_dh, sum_nd.to(self.dtype).T, part_nh, alpha=2 / (n * self.d))
        add_product(self.grads["W_enc"], xc_nd.to(self.dtype).T, dz_nh)
        self._add_sum(self._sum_dz_h, dz_nh)
        self._sum_r_d.add_(self._prefixes.sums_gnd[0].sum(0))


def _stack(active: Active, kept: tuple[int, ...]) -> Active:
    """Entries with a row for each budget and row, budget by budget, the latents that each budget adds to the smaller ones."""
    counts_n, size = np.diff(active.ends), np.abs(active.values.numpy())
    budget = _smallest_budgets(size, counts_n, kept)
    order = np.concatenate([np.flatnonzero(budget == place) for place in range(len(kept))])
    added_gn = [np.clip(counts_n - first, 0, end - first) for first, end in pairwise((0, *kept))]
    ends = np.concatenate([[0], np.cumsum(added_gn)])
    return Active(active.values[torch.from_numpy(order)], active.columns[order], ends, active.h)


def _smallest_budgets(size: np.ndarray, counts_n: np.ndarray, kept: tuple[int, ...]) -> np.ndarray:
    """Place of the smallest budget that holds each entry among its row's largest, (nnz,) uint8; of equal ones the first come first."""
    most = counts_n.max(initial=0)
    is_full = len(size) == len(counts_n) * most
    if is_full:
        size_nk = size.reshape(len(counts_n), most)
    else:
        size_nk = np.zeros((len(counts_n), most), size.dtype)
        is_entry_nk = np.arange(most) < counts_n[:, None]
        size_nk[is_entry_nk] = size
    budget_nk = np.zeros(size_nk.shape, np.uint8)
    places = [most - j for j in kept if j < most]
    # The bits of numbers that are not negative have their order as integers. Sorting these takes a tenth of the time of a partition
    # about several places.
    ordered_nk = np.sort(size_nk.view(f"i{size.itemsize}"), axis=1).view(size.dtype)
    for place in places:
        # Absent entries are zeros, which are no entries of any budget.
        least_n1 = np.maximum(ordered_nk[:, place, None], LEAST)
        is_below_nk = size_nk < least_n1
        # In a full row fewer are below than come before its place only where some are equal to the one there.
        if np.count_nonzero(is_below_nk) < len(counts_n) * place or (not is_full and (is_below_nk.sum(1) < place).any()):
            return _by_ranks(size_nk, kept)[slice(None) if is_full else is_entry_nk].reshape(-1)
        budget_nk += is_below_nk
    return (budget_nk if is_full else budget_nk[is_entry_nk]).reshape(-1)


def _by_ranks(size_nk: np.ndarray, kept: tuple[int, ...]) -> np.ndarray:
    """As `_smallest_budgets`, for rows with equal entries."""
    budget_nk = np.empty(size_nk.shape, np.uint8)
    of_rank_k = np.searchsorted(kept, np.arange(size_nk.shape[1]), side="right").astype(np.uint8)
    np.put_along_axis(budget_nk, np.argsort(-size_nk, axis=1, kind="stable"), of_rank_k[None], axis=1)
    return budget_nk
