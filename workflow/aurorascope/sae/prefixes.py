"""Reconstructions that grow part by part, each of which must do alone: their errors, and what a part's gradient needs of them.

With errors r_1, ..., r_G after 1, ..., G parts, the mean of |r_g|^2 over g has the gradient 2 S_p with respect to what part p
writes, where S_p = (r_p + ... + r_G) / G. What is in every reconstruction, as b_dec is, has 2 S_1.
"""

from collections.abc import Iterable

import torch


class Prefixes:
    """Sums over the reconstructions that hold a part, of one micro-batch, in memory that is used again.

    Args:
        n_parts: parts at most.
        rows: rows of a micro-batch.
        d: channels.
        dtype: of the sums.
        device: where they are.
    """

    def __init__(self, n_parts: int, rows: int, d: int, dtype: torch.dtype, device: torch.device) -> None:
        self._all_gnd = torch.empty(n_parts, rows, d, dtype=dtype, device=device)
        self.sums_gnd = self._all_gnd[:0]

    def add(self, totals: Iterable[torch.Tensor], n_parts: int, m: int) -> None:
        """Take the errors after each part, (m, d) each, which may be one tensor that grows; `sums_gnd` has S_p, (parts, m, d)."""
        self.sums_gnd = self._all_gnd[:n_parts, :m]
        for sum_nd, total_nd in zip(self.sums_gnd, totals, strict=True):
            sum_nd.copy_(total_nd)
        for g in range(n_parts - 2, -1, -1):
            self.sums_gnd[g].add_(self.sums_gnd[g + 1])
        self.sums_gnd.mul_(1 / n_parts)

    def weigh(self, weight_n: torch.Tensor | None) -> torch.Tensor:
        """`sums_gnd` times the rows' weights, in place."""
        return self.sums_gnd if weight_n is None else self.sums_gnd.mul_(weight_n[:, None])
