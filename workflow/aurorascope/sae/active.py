"""Matrix products with latents of which few are on: sums over the entries that are, nothing over the others.

The entries are held by rows (CSR), and for the products that sum over rows by columns. Each element of a result is summed by
one thread in the order of rows or of columns, so that threads change no bit. On the CPU sums over latents are torch's own
kernel and sums over rows MKL's, each of which measured as the faster one (docs/benchmarks.md, "Sparse steps").
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch

from aurorascope.sae.selection import Chosen, row_ends

with warnings.catch_warnings():
    # Said once a process, of every use of this layout.
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 1], [0], [1.0], (1, 1))

_SHORT = 1 << 16


def _csr(ends: np.ndarray, columns: np.ndarray, values: torch.Tensor, width: int) -> torch.Tensor:
    # MKL's indices have 32 bits.
    rows, places = torch.from_numpy(ends.astype(np.int32)), torch.from_numpy(columns)
    return torch.sparse_csr_tensor(rows, places, values, (len(ends) - 1, width), check_invariants=False)


@dataclass(frozen=True)
class ByLatent:
    """Entries by columns: for each latent the rows that it is on for.

    Attributes:
        order: (nnz,) int64, which entry of the rows' order comes at each place.
        ends: (h + 1,) int64, where each latent's entries begin, and where the last one's end.
        rows: (nnz,) int32, row of each.
    """

    order: np.ndarray
    ends: np.ndarray
    rows: np.ndarray

    def of(self, latents: slice) -> "ByLatent":
        """The entries of neighbouring latents."""
        ends = self.ends[latents.start : latents.stop + 1]
        here = slice(ends[0], ends[-1])
        return ByLatent(self.order[here], ends - ends[0], self.rows[here])

    def add_product(self, total_hd: torch.Tensor, values: torch.Tensor, x_nd: torch.Tensor, scale: float = 1.0) -> None:
        """Add scale * V^T x to the total, where V (n, h) has `values`, in the rows' order, where latents are on."""
        v = torch.from_numpy(values.numpy()[self.order])
        torch.addmm(total_hd, _csr(self.ends, self.rows, v, len(x_nd)), x_nd, alpha=scale, out=total_hd)


@dataclass(frozen=True)
class Active:
    """Latents that are on, of n rows.

    Attributes:
        values: (nnz,) on the CPU, row by row.
        columns: (nnz,) int32, latent of each, ascending within a row.
        ends: (n + 1,) int64, where each row's entries begin, and where the last one's end.
        h: latents.
    """

    values: torch.Tensor
    columns: np.ndarray
    ends: np.ndarray
    h: int

    @classmethod
    def of(cls, chosen: Chosen, n: int, h: int) -> "Active":
        """Of places in the flattened (n, h), ascending, and their values."""
        places, values = chosen
        ends = row_ends(places, n, h)
        columns = (places - np.repeat(np.arange(0, n * h, h), np.diff(ends))).astype(np.int32)
        return cls(torch.from_numpy(values), columns, ends, h)

    def rows(self) -> np.ndarray:
        """Row of each entry, (nnz,) int32."""
        return np.repeat(np.arange(len(self.ends) - 1, dtype=np.int32), np.diff(self.ends))

    def padded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents, int64, and values of each row's entries in their order, (n, most of a row), zeros after the last."""
        counts, n = np.diff(self.ends), len(self.ends) - 1
        most = int(counts.max(initial=0))
        # Each entry's place in its padded row, flat.
        places = np.arange(len(self.columns)) + np.repeat(np.arange(n) * most - self.ends[:-1], counts)
        latents, values = np.zeros(n * most, np.int64), torch.zeros(n * most, dtype=self.values.dtype)
        latents[places] = self.columns
        values.numpy()[places] = self.values.numpy()
        return torch.from_numpy(latents).view(n, most), values.view(n, most)

    def part(self, latents: slice) -> tuple["Active", torch.Tensor]:
        """The entries of neighbouring latents, counted from the first of these; and which entries they are, int64."""
        here = np.flatnonzero((self.columns >= latents.start) & (self.columns < latents.stop))
        which = torch.from_numpy(here)
        columns, ends = self.columns[here] - np.int32(latents.start), np.searchsorted(here, self.ends)
        return Active(self.values[which], columns, ends, latents.stop - latents.start), which

    def times(self, W_hd: torch.Tensor) -> torch.Tensor:
        """F @ W, (n, d), a new tensor."""
        return torch.sparse.mm(_csr(self.ends, self.columns, self.values, self.h), W_hd, "sum")

    def of_product(self, r_nd: torch.Tensor, W_hd: torch.Tensor, scale: float) -> torch.Tensor:
        """Elements of scale * r @ W^T where latents are on, (nnz,)."""
        # The pattern's values count zero times, which a value that is not finite would show.
        pattern = _csr(self.ends, self.columns, torch.zeros_like(self.values), self.h)
        return torch.sparse.sampled_addmm(pattern, r_nd, W_hd.T, beta=0, alpha=scale).values()

    def by_latent(self) -> ByLatent:
        """The same entries by latents, each latent's in the order of rows."""
        # Short integers are sorted by their digits.
        keys = self.columns.astype(np.uint16) if self.h <= _SHORT else self.columns
        order = np.argsort(keys, kind="stable")
        ends = np.zeros(self.h + 1, np.int64)
        np.cumsum(np.bincount(self.columns, minlength=self.h), out=ends[1:])
        return ByLatent(order, ends, self.rows()[order])

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """Sum over rows of values where latents are on, (h,) float64."""
        return torch.from_numpy(np.bincount(self.columns, values.numpy(), self.h))
