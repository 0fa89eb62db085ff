"""What every architecture's training has in common: exact gradients by five matrix products, without a graph.

Rows of a batch are taken in micro-batches whose buffers are used again; sums over rows make the result that of the whole
batch. The five products are z = xc W_enc, r = f W_dec - xc, df = r W_dec^T, f^T r and xc^T dz; b_dec's second path, through
the centring, is a product of a matrix and a vector (Bricken et al. 2023, "Towards Monosemanticity", with the gradient written
out). An architecture says what its activation is and how gradients pass through it.

Losses are means over tokens and channels of (x_hat - x)^2, plus what an architecture adds. Where tokens have weights, 1 on
average, every mean over tokens is weighted, but for L0, which counts each token alike. Where a recipe centres and scales, all
of this is in units of (x - mean) / scale.
"""

from dataclasses import dataclass

import torch

from aurorascope.sae.auxk import AuxK

Parameters = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Settings:
    """What an objective is told beside the weights.

    Attributes:
        sparsity: weight of the L1 term; where `target_l0` is controlled, its value at the start.
        target_l0: latents on per token that are aimed at (or kept, for the top-k family); None for a fixed `sparsity`.
        growth: share of the steps over which the top-k family goes from one latent to `target_l0`.
        rows: rows of a micro-batch.
        precision: "float32", "tf32" or "bfloat16": what matrix products read.
        p_end: exponent of the sparsity term at the end of training; 1 is plain L1.
        n_steps: steps of the training, over which a controlled weight moves.
        densest: share of latents kept up to which the top-k family's products are sparse; 0 for never.
        last_epoch: share of the steps that the last epoch has.
    """

    sparsity: float = 0.0
    target_l0: float | None = None
    growth: float = 0.0
    rows: int = 4096
    precision: str = "float32"
    p_end: float = 1.0
    n_steps: int = 1000
    densest: float = 0.0
    last_epoch: float = 1.0


@dataclass
class Terms:
    """Loss terms of one batch, scalars on the device; means over tokens are weighted where tokens have weights.

    Attributes:
        mse: mean squared error over tokens and channels.
        sparsity: what the architecture's sparsity weight multiplies, mean over tokens; 0 where there is none.
        l0: latents on per token, never weighted.
        aux: the auxiliary loss before its weight, mean over tokens and channels.
    """

    mse: torch.Tensor
    sparsity: torch.Tensor
    l0: torch.Tensor
    aux: torch.Tensor


class Objective:
    """Loss and exact gradient of one SAE.

    Args:
        parameters: W_enc (d, h), b_enc (h,), W_dec (h, d), b_dec (d,) and what the architecture adds; read, never changed
            here, float32.
        settings: see `Settings`.
        auxk: revival of dead latents by an auxiliary loss, or None.

    Attributes:
        grads: gradient of each parameter after `compute`.
        on_h: (h,) float32, tokens of the last batch for which each latent was on.
        state: what the architecture learns beside its parameters (a running threshold, a controlled weight), on the device.
    """

    def __init__(self, parameters: Parameters, settings: Settings, auxk: AuxK | None = None) -> None:
        self.parameters, self.settings, self.auxk = parameters, settings, auxk
        self.grads = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
        self.state: dict[str, torch.Tensor] = {}
        self.mean_d: torch.Tensor | None = None
        self.scale = 1.0
        self.d, self.h = parameters["W_enc"].shape
        self.device = parameters["W_enc"].device
        # Parameters are float32, but for tests of the gradient, which take float64.
        self.rows, self.wide = settings.rows, parameters["W_enc"].dtype
        self.dtype = torch.bfloat16 if settings.precision == "bfloat16" else self.wide
        self._xc_nd, self._r_nd = (self._zeros(self.rows, self.d) for _ in range(2))
        self._f_nh, self._dz_nh = (self._latents() for _ in range(2))
        self._ones_n = torch.ones(self.rows, device=self.device, dtype=self.wide)
        self._sum_dz_h, self.on_h = (self._zeros(self.h) for _ in range(2))
        # Transposed: with the long side last, this product is the faster one.
        self._grad_dh = self._zeros(self.d, self.h)
        self._sum_r_d = self._zeros(self.d)
        self._sse, self._aux = (self._zeros() for _ in range(2))
        self._weights: Parameters = {}
        self.progress = 0.0

    def _zeros(self, *shape: int) -> torch.Tensor:
        return torch.zeros(shape, dtype=self.wide, device=self.device)

    def _latents(self) -> torch.Tensor:
        return torch.empty(self.rows, self.h, device=self.device, dtype=self.dtype)

    @staticmethod
    def extra_parameters(d_model: int, d_hidden: int) -> Parameters:
        """Initial values of the parameters that this architecture adds to the four, on the CPU."""
        return {}

    def anchor(self, centroids_hd: torch.Tensor) -> None:
        """Make the directions from these centroids, (h, d) of unit length, where an architecture is declared to."""

    def centre(self, mean_d: torch.Tensor, scale: float) -> None:
        """Train in units of (x - mean) / scale; `fold.fold` turns the weights back."""
        self.mean_d, self.scale = mean_d, scale

    def compute(self, x_nd: torch.Tensor, weight_n: torch.Tensor | None = None) -> Terms:
        """Fill `grads` and `on_h` for one batch.

        Args:
            x_nd: (n, d) float32.
            weight_n: (n,) weight of each row, 1 on average; None for 1.

        Returns:
            The loss terms.
        """
        self._clear()
        n, centre_d = len(x_nd), self._centre_d()
        self._begin(x_nd, centre_d)
        for start in range(0, n, self.rows):
            xc_nd = self._centred(x_nd[start : start + self.rows], centre_d)
            part_n = None if weight_n is None else weight_n[start : start + self.rows]
            self._micro(xc_nd, part_n, n)
        self._end(n)
        scale = 2 / (n * self.d)
        # Both paths of b_dec: out of the decoder, and through the centring before the encoder.
        self.grads["b_dec"].copy_(self._sum_r_d.mul_(scale)).addmv_(self.parameters["W_enc"], self._sum_dz_h, alpha=-1)
        mse, aux = self._sse / (n * self.d), self._aux / (n * self.d)
        return Terms(mse, self._sparsity(n), self.on_h.sum() / n, aux)

    def row_losses(self, x_nd: torch.Tensor) -> torch.Tensor:
        """Squared error of each row's reconstruction, summed over channels, (n,); gradients and state stay as they are."""
        centre_d = self._centre_d()
        self._begin(x_nd, centre_d)
        losses = []
        for part_nd in x_nd.split(self.rows):
            xc_nd = self._centred(part_nd, centre_d)
            r_nd = self._residual(self._activate(self._encode(xc_nd, self._f_nh)), xc_nd)
            losses.append(r_nd.square().sum(1))
        return torch.cat(losses)

    def centred(self, x_nd: torch.Tensor) -> torch.Tensor:
        """What the encoder multiplies for these activations, (x - mean) / scale - b_dec, (n, d), a new tensor."""
        return (x_nd - self._centre_d()).mul_(1 / self.scale)

    def _centre_d(self) -> torch.Tensor:
        b_dec = self.parameters["b_dec"]
        return b_dec if self.mean_d is None else torch.add(self.mean_d, b_dec, alpha=self.scale)

    def _clear(self) -> None:
        sums = (self._sum_dz_h, self.on_h, self._sum_r_d, self._grad_dh, self._sse, self._aux)
        for tensor in (*self.grads.values(), *sums):
            tensor.zero_()

    def _centred(self, x_nd: torch.Tensor, centre_d: torch.Tensor) -> torch.Tensor:
        # In float32 before anything is rounded: rounding first would lose a small signal on a large mean.
        xc_nd = torch.sub(x_nd, centre_d, out=self._xc_nd[: len(x_nd)])
        return xc_nd if self.mean_d is None else xc_nd.mul_(1 / self.scale)

    def _begin(self, x_nd: torch.Tensor, centre_d: torch.Tensor) -> None:
        """Called before a batch's first micro-batch; changes no state."""
        self._weights = {name: self.parameters[name].to(self.dtype) for name in ("W_enc", "W_dec")}

    def _end(self, n: int) -> None:
        """Called after a batch's last micro-batch."""
        self.grads["b_enc"].copy_(self._sum_dz_h)
        self.grads["W_dec"].add_(self._grad_dh.T)

    def _encode(self, xc_nd: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        bias = self.parameters["b_enc"].to(self.dtype)
        return torch.addmm(bias, xc_nd.to(self.dtype), self._weights["W_enc"], out=out[: len(xc_nd)])

    def _micro(self, xc_nd: torch.Tensor, weight_n: torch.Tensor | None, n: int) -> None:
        z_nh = self._encode(xc_nd, self._f_nh)
        dead_nk = self._pick_dead(z_nh)
        f_nh = self._activate(z_nh)
        r_nd = self._residual(f_nh, xc_nd)
        q_nd = None if dead_nk is None else self.auxk.residual(dead_nk, r_nd, self._weights["W_dec"])
        self._sse.add_(weigh(r_nd, weight_n))
        dz_nh = self._to_latents(r_nd, f_nh, weight_n, n)
        if q_nd is not None:
            self._aux.add_(weigh(q_nd, weight_n))
            dz_nk = self.auxk.gradient(dead_nk, q_nd, self._weights["W_dec"], self.grads["W_dec"], n)
            dz_nh.index_add_(1, self.auxk.dead_i, dz_nk)
            self._pass_bias(dz_nk)
        self._accumulate(xc_nd, f_nh, r_nd, dz_nh, n)
        # The buffer of gradients is free by now.
        self._add_sum(self.on_h, torch.ne(f_nh, 0, out=dz_nh))

    def _pick_dead(self, z_nh: torch.Tensor) -> torch.Tensor | None:
        """Latents of the dead, as `AuxK.pick`; None without it."""
        return None if self.auxk is None else self.auxk.pick(z_nh)

    def _activate(self, z_nh: torch.Tensor) -> torch.Tensor:
        """Latents of pre-activations, in place or in a buffer of the architecture's own."""
        raise NotImplementedError

    def _residual(self, f_nh: torch.Tensor, xc_nd: torch.Tensor) -> torch.Tensor:
        """x_hat - x, in which b_dec cancels."""
        return self._error(f_nh, xc_nd, self._r_nd[: len(xc_nd)])

    def _error(self, f_nh: torch.Tensor, xc_nd: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        if self.dtype == self.wide:
            return torch.addmm(xc_nd, f_nh, self._weights["W_dec"], beta=-1, out=out)
        return torch.sub(torch.mm(f_nh, self._weights["W_dec"]), xc_nd, out=out)

    def _to_latents(
        self, r_nd: torch.Tensor, f_nh: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> torch.Tensor:
        """Gradient with respect to the pre-activations: through the decoder, for latents that are on."""
        df_nh = self._through_decoder(r_nd, n)
        return torch.ops.aten.threshold_backward.grad_input(df_nh, f_nh, 0, grad_input=df_nh)

    def _through_decoder(self, r_nd: torch.Tensor, n: int) -> torch.Tensor:
        df_nh = self._dz_nh[: len(r_nd)]
        torch.mm(r_nd.to(self.dtype), self._weights["W_dec"].T, out=df_nh)
        return df_nh.mul_(2 / (n * self.d))

    def _accumulate(
        self, xc_nd: torch.Tensor, f_nh: torch.Tensor, r_nd: torch.Tensor, dz_nh: torch.Tensor, n: int
    ) -> None:
        add_product(self._grad_dh, r_nd.to(self.dtype).T, f_nh, alpha=2 / (n * self.d))
        add_product(self.grads["W_enc"], xc_nd.to(self.dtype).T, dz_nh)
        self._add_sum(self._sum_dz_h, dz_nh)
        self._sum_r_d.add_(r_nd.sum(0))

    def _add_sum(self, total_h: torch.Tensor, values_nh: torch.Tensor) -> None:
        # A product with ones reads the values once; a sum over the first dimension is several times slower.
        if values_nh.dtype == self.wide:
            total_h.addmv_(values_nh.T, self._ones_n[: len(values_nh)])
        else:
            total_h.add_(values_nh.sum(0, dtype=self.wide))

    def _total(self, values_nh: torch.Tensor, weight_n: torch.Tensor | None) -> torch.Tensor:
        """Sum over rows, times their weights, and latents."""
        sum_n = values_nh.sum(1, dtype=self.wide)
        return sum_n.sum() if weight_n is None else torch.dot(sum_n, weight_n)

    def _pass_bias(self, dz_nk: torch.Tensor) -> None:
        """Gradient of the dead latents' pre-activations, (n, n_dead), for a bias of theirs that is not b_enc."""

    def _sparsity(self, n: int) -> torch.Tensor:
        return self._zeros()

    def sparsity_weight(self) -> torch.Tensor:
        """Weight of the sparsity term, a scalar on the device: the controlled one, or the configured."""
        weight = self.state.get("sparsity")
        return torch.full((), self.settings.sparsity, device=self.device) if weight is None else weight

    def importance(self) -> torch.Tensor | None:
        """By how much the loss grows without each latent, (h,) float64, in units of training; None where it is not counted."""
        return None

    def constrain(self) -> None:
        """Called after the optimiser's step: bring parameters back to where they are allowed, in place."""

    def release(self) -> Parameters:
        """The tensors that are published (before `fold.fold`), float32, on the parameters' device."""
        return {name: self.parameters[name].clone() for name in ("W_enc", "b_enc", "W_dec", "b_dec")}


def add_product(total: torch.Tensor, a: torch.Tensor, b: torch.Tensor, alpha: float = 1) -> None:
    """Add alpha * a @ b to the total, which may be of a wider dtype than both."""
    if a.dtype == total.dtype:
        total.addmm_(a, b, alpha=alpha)
    else:
        total.add_(torch.mm(a, b), alpha=alpha)


def weigh(r_nd: torch.Tensor, weight_n: torch.Tensor | None) -> torch.Tensor:
    """Sum of squares, rows' weights included; rows themselves are multiplied by their weights, in place."""
    if weight_n is None:
        flat = r_nd.view(-1)
        return torch.dot(flat, flat)
    total = torch.dot(torch.linalg.vector_norm(r_nd, dim=1).square_(), weight_n)
    r_nd.mul_(weight_n[:, None])
    return total
