"""ReLU + L1, the card's architecture: weights, exact gradients by hand, and initialisation.

h = ReLU((x - b_dec) W_enc + b_enc),  x_hat = h W_dec + b_dec (Bricken et al. 2023, "Towards Monosemanticity").
Loss = mean over tokens and channels of (x_hat - x)^2 + l1 * (mean over tokens of the sum over latents of h).
The card gives no reductions; these are ours, and the index states them.
"""

from dataclasses import dataclass

import numpy as np
import torch

NAMES = ("W_enc", "b_enc", "W_dec", "b_dec")
REDUCTIONS = "MSE: mean over tokens and channels; L1: sum over latents, mean over tokens"
_INIT_STREAM = 2


@dataclass
class Weights:
    """Parameters (or gradients, or moments) of one SAE.

    Attributes:
        W_enc: (d, h).
        b_enc: (h,).
        W_dec: (h, d), rows are feature directions.
        b_dec: (d,).
    """

    W_enc: torch.Tensor
    b_enc: torch.Tensor
    W_dec: torch.Tensor
    b_dec: torch.Tensor

    def tensors(self) -> list[torch.Tensor]:
        """The four tensors in the order of `NAMES`."""
        return [self.W_enc, self.b_enc, self.W_dec, self.b_dec]

    def like(self) -> "Weights":
        """Zeros of the same shapes, on the same device."""
        return Weights(*(torch.zeros_like(tensor) for tensor in self.tensors()))


def initial_weights(d_model: int, d_hidden: int, seed: int, depth_index: int, device: torch.device) -> Weights:
    """Initial weights, a function of (seed, block) alone; drawn on the CPU so that devices agree.

    W_dec rows are random directions of unit norm; W_enc is their transpose times 2 d / h. The card does not say. With
    half of the latents on, the first reconstruction is then right on average (the mean of W_dec^T W_dec is h/d times
    the identity) and training need not first undo an overshoot: docs/decisions.md has the comparison.
    """
    rng = np.random.default_rng([_INIT_STREAM, seed, depth_index])
    rows_hd = rng.standard_normal((d_hidden, d_model), np.float32)
    rows_hd /= np.linalg.norm(rows_hd, axis=1, keepdims=True)
    decoder = torch.from_numpy(rows_hd).to(device)
    zeros_h, zeros_d = torch.zeros(d_hidden, device=device), torch.zeros(d_model, device=device)
    return Weights(decoder.T.contiguous() * (2 * d_model / d_hidden), zeros_h, decoder, zeros_d)


class Gradient:
    """Exact gradient of the loss by five matrix products, in row micro-batches with buffers reused.

    Args:
        weights: the parameters; read, never changed here.
        l1_coeff: weight of the L1 term.
        rows: rows of a micro-batch.
    """

    def __init__(self, weights: Weights, l1_coeff: float, rows: int) -> None:
        self.weights, self.l1_coeff, self.rows = weights, l1_coeff, rows
        d, h = weights.W_enc.shape
        device = weights.W_enc.device
        self.grads = weights.like()
        self._xc_nd, self._r_nd = (torch.empty(rows, d, device=device) for _ in range(2))
        self._f_nh, self._dz_nh = (torch.empty(rows, h, device=device) for _ in range(2))
        self._on_nh = torch.empty(rows, h, dtype=torch.bool, device=device)
        self.fired_h = torch.empty(h, device=device)

    def compute(self, x_nd: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Fill `grads` and `fired_h` (count of active tokens of each latent) for one batch.

        Args:
            x_nd: (n, d) float32.

        Returns:
            Mean squared error, L1 (mean over tokens of the sum over latents) and L0, scalars on the device.
        """
        for tensor in (*self.grads.tensors(), self.fired_h):
            tensor.zero_()
        sse, l1 = torch.zeros((), device=x_nd.device), torch.zeros((), device=x_nd.device)
        sum_r_d = torch.zeros_like(self.weights.b_dec)
        n, d = x_nd.shape
        for start in range(0, n, self.rows):
            part_sse, part_l1 = self._add(x_nd[start : start + self.rows], n, sum_r_d)
            sse += part_sse
            l1 += part_l1
        # Both paths of b_dec: out of the decoder, and through the centring before the encoder.
        self.grads.b_dec.copy_(sum_r_d.mul_(2 / (n * d))).addmv_(self.weights.W_enc, self.grads.b_enc, alpha=-1)
        return sse / (n * d), l1 / n, self.fired_h.sum() / n

    def _add(self, x_nd: torch.Tensor, n: int, sum_r_d: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        w, g, m, d = self.weights, self.grads, len(x_nd), x_nd.shape[1]
        xc, r, f, dz, on = (buffer[:m] for buffer in (self._xc_nd, self._r_nd, self._f_nh, self._dz_nh, self._on_nh))
        torch.sub(x_nd, w.b_dec, out=xc)
        torch.addmm(w.b_enc, xc, w.W_enc, out=f).relu_()
        # x_hat - x = f W_dec + b_dec - x: b_dec cancels against the centring.
        torch.addmm(xc, f, w.W_dec, beta=-1, out=r)
        torch.gt(f, 0, out=on)
        torch.mm(r, w.W_dec.T, out=dz).mul_(2 / (n * d)).add_(self.l1_coeff / n).mul_(on)
        g.W_dec.addmm_(f.T, r, alpha=2 / (n * d))
        g.W_enc.addmm_(xc.T, dz)
        g.b_enc.add_(dz.sum(0))
        sum_r_d.add_(r.sum(0))
        self.fired_h.add_(on.sum(0))
        return r.square().sum(), f.sum()
