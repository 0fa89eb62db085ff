"""Matching pursuit: a token's latents are found one after another, each in what the others left (Costa et al. 2025, arXiv 2506.03093).

The encoder is the decoder. With rows d_j of W_dec of unit norm and r_0 = x - b_dec, k times:

    j = the place of the largest r . d_j,  a = max(r . d_j, 0),  f_j += a,  r -= a d_j

and the loss is the mean of r_k^2, since r_k = x - x_hat. A row in which nothing is above zero (`LEAST`) keeps what it has. A latent
that comes again adds to its own entry, so that a token has at most k. Which latent is taken has no gradient; its value has. So go
SAELens 6.54.12 (`saes/matching_pursuit_sae.py`, with `max_iterations` = k, `residual_threshold` = 0 and
`stop_on_duplicate_support` = False) and, but for taking values below zero where there are no others, overcomplete
(`sae/mp_sae.py`), whose code was read for this.

The gradient is exact and goes back through the steps, with w the tokens' weights and g = 2 w r_k / (n d) at first: for t from k to 1

    c = g . d_j (0 where nothing was taken),  grad d_j -= a g + c r_{t-1},  g -= c d_j

after which grad b_dec = - sum of g. r_{t-1} is r_t + a d_j again, so that no step's residual is kept. W_enc and b_enc take no part:
`constrain` keeps W_enc at W_dec^T. AuxK takes r_k . d_j as the pre-activations of the dead latents that a token has not taken, r_k
held fixed.

Which latent has the largest product is seen from r W_dec^T, computed anew in each step, or, on a CPU in float32, where it is less
arithmetic, updated by rows of W_dec W_dec^T: if h is at most (k - 1) n for n rows of a batch and at most `_GRAM` micro-batches'
rows, never by a time. Values are always r . d_j of the residual itself, as in `aurora_sae.py`, which computes the products anew.
So the update's rounding, of some 1e-7 |x| a step, never enters a value, and features are those of the release but where two
latents' products are closer to one another than that.
"""

import torch

from aurorascope.sae.auxk import AuxK
from aurorascope.sae.objective import Parameters, Settings, weigh
from aurorascope.sae.selection import LEAST
from aurorascope.sae.topk import TopK

# How many times as many latents as a micro-batch has rows: W_dec W_dec^T then takes so many arrays of latents.
_GRAM = 4


class MatchingPursuit(TopK):
    """See the module; `target_l0` is k."""

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        super().__init__(parameters, settings, auxk)
        self._left_nd, self._row_nd = (self._zeros(self.rows, self.d) for _ in range(2))
        self._gram_hh: torch.Tensor | None = None
        # Of each step the latent that each row takes, and its value, 0 where it takes none.
        self._taken: list[tuple[torch.Tensor, torch.Tensor]] = []

    def _begin(self, x_nd: torch.Tensor, centre_d: torch.Tensor) -> None:
        super()._begin(x_nd, centre_d)
        W_dec, spared = self._weights["W_dec"], (round(self.kept()) - 1) * len(x_nd)
        pays = self._is_exact and self.h <= min(spared, _GRAM * self.rows)
        self._gram_hh = torch.mm(W_dec, W_dec.T) if pays else None

    def _encode(self, xc_nd: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        return torch.mm(xc_nd.to(self.dtype), self._weights["W_dec"].T, out=out[: len(xc_nd)])

    def _activate(self, z_nh: torch.Tensor) -> torch.Tensor:
        m = len(z_nh)
        left_nd = self._left_nd[:m].copy_(self._xc_nd[:m])
        self._taken = []
        for step in range(round(self.kept())):
            if step:
                self._renew(z_nh, left_nd)
            # Of equal ones the first; NumPy's takes a tenth of the time.
            j_n = torch.from_numpy(z_nh.numpy().argmax(1)) if self._is_exact else z_nh.argmax(1)
            row_nd = self._rows(j_n)
            a_n = torch.linalg.vecdot(left_nd, row_nd)
            a_n.masked_fill_(a_n <= LEAST, 0)
            left_nd.addcmul_(a_n[:, None], row_nd, value=-1)
            self._taken.append((j_n, a_n))
        f_nh = z_nh.zero_()
        for j_n, a_n in self._taken:
            f_nh.scatter_add_(1, j_n[:, None], a_n[:, None].to(self.dtype))
        return f_nh

    def _rows(self, j_n: torch.Tensor) -> torch.Tensor:
        return torch.index_select(self.parameters["W_dec"], 0, j_n, out=self._row_nd[: len(j_n)])

    def _renew(self, z_nh: torch.Tensor, left_nd: torch.Tensor) -> None:
        """Products with what is left after the last step, in place."""
        if self._gram_hh is None:
            self._encode(left_nd, z_nh)
            return
        j_n, a_n = self._taken[-1]
        gram_nh = torch.index_select(self._gram_hh, 0, j_n, out=self._dz_nh[: len(j_n)])
        z_nh.addcmul_(a_n[:, None], gram_nh, value=-1)

    def _micro(self, xc_nd: torch.Tensor, weight_n: torch.Tensor | None, n: int) -> None:
        f_nh, m = self._activate(self._encode(xc_nd, self._f_nh)), len(xc_nd)
        left_nd = self._left_nd[:m]
        r_nd = torch.neg(left_nd, out=self._r_nd[:m])
        self._add_aux(left_nd, f_nh, r_nd, weight_n, n)
        self._sse.add_(weigh(r_nd, weight_n))
        g_nd, scale = r_nd.neg_(), 2 / (n * self.d)
        for j_n, a_n in reversed(self._taken):
            row_nd = self._rows(j_n)
            c_n = torch.linalg.vecdot(g_nd, row_nd).mul_(a_n > 0)
            left_nd.addcmul_(a_n[:, None], row_nd)
            self._add_rows(j_n, torch.mul(a_n[:, None], g_nd).addcmul_(c_n[:, None], left_nd), -scale)
            g_nd.addcmul_(c_n[:, None], row_nd, value=-1)
        self._sum_r_d.sub_(g_nd.sum(0))
        self._add_sum(self.on_h, torch.ne(f_nh, 0, out=self._dz_nh[:m]))

    def _add_rows(self, j_n: torch.Tensor, rows_nd: torch.Tensor, alpha: float) -> None:
        """Add each row to that of its latent, in an order that is the same each time."""
        total_hd = self.grads["W_dec"]
        if total_hd.device.type == "cpu":
            total_hd.index_add_(0, j_n, rows_nd, alpha=alpha)
        else:
            # On a GPU index_add_ is atomic; this sorts.
            total_hd.index_put_((j_n,), rows_nd.mul_(alpha), accumulate=True)

    def _add_aux(self, left_nd: torch.Tensor, f_nh: torch.Tensor, r_nd: torch.Tensor, weight_n: torch.Tensor | None, n: int) -> None:
        """AuxK's loss and its gradient: W_dec is what the dead read by, too."""
        dead_i = None if self.auxk is None else self.auxk.dead_i
        if dead_i is None or not len(dead_i):
            return
        W_dec = self._weights["W_dec"]
        z_nk = torch.mm(left_nd.to(self.dtype), W_dec.index_select(0, dead_i).T)
        # What a token took last has a product of zero, of either sign by rounding.
        dead_nk = self.auxk.largest(z_nk.masked_fill_(f_nh.index_select(1, dead_i) != 0, 0))
        q_nd = self.auxk.residual(dead_nk, r_nd, W_dec)
        self._aux.add_(weigh(q_nd, weight_n))
        dz_nk = self.auxk.gradient(dead_nk, q_nd, W_dec, self.grads["W_dec"], n)
        # The dead are each there once.
        self.grads["W_dec"].index_add_(0, dead_i, torch.mm(dz_nk.T.to(self.wide), left_nd))

    def constrain(self) -> None:
        """W_enc is W_dec^T."""
        self.parameters["W_enc"].copy_(self.parameters["W_dec"].T)

    def release(self) -> Parameters:
        """The four tensors, of which W_enc is W_dec^T and b_enc is zero, k, and the mark of a pursuit."""
        found, W_dec = super().release(), self.parameters["W_dec"]
        tied = {"W_enc": W_dec.T.clone(memory_format=torch.contiguous_format), "b_enc": torch.zeros_like(found["b_enc"])}
        return {**found, **tied, "pursuit": torch.tensor(True)}
