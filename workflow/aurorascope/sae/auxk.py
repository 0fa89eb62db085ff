"""AuxK: dead latents learn to explain what the living ones leave (Gao et al. 2024, arXiv 2406.04093, section 2.4).

With e = x - x_hat held fixed and e_hat the reconstruction (without b_dec) from the k_aux largest pre-activations among dead
latents, the loss gains alpha * mean (e - e_hat)^2, alpha being 1/32 there. Pre-activations count where positive, whatever the architecture. Only
columns of dead latents are touched, so that it costs little when few are dead. Dead is counted in snapshots, never in tokens:
10 million tokens are 56 snapshots at one width and 877 at another.
"""

import torch

ALPHA = 1 / 32  # the paper's


class AuxK:
    """The auxiliary loss of one SAE.

    Args:
        k: dead latents on per token, at most.
        weight: alpha, what the loss weighs beside the reconstruction's.

    Attributes:
        dead_i: indices of dead latents, None for none; whoever counts sets it.
    """

    def __init__(self, k: int, weight: float = ALPHA) -> None:
        self.k, self.weight = k, weight
        self.dead_i: torch.Tensor | None = None

    def pick(self, z_nh: torch.Tensor) -> torch.Tensor | None:
        """Latents of the dead, (n, n_dead): their largest pre-activations, where positive; None where none is dead."""
        if self.dead_i is None or len(self.dead_i) == 0:
            return None
        return self.largest(z_nh.index_select(1, self.dead_i))

    def largest(self, z_nk: torch.Tensor) -> torch.Tensor:
        """As `pick`, of the pre-activations of the dead alone, which may be changed."""
        if self.k >= z_nk.shape[1]:
            return z_nk.relu_()
        values, places = z_nk.topk(self.k, dim=1)
        return torch.zeros_like(z_nk).scatter_(1, places, values.relu_())

    def residual(self, f_nk: torch.Tensor, r_nd: torch.Tensor, W_dec: torch.Tensor) -> torch.Tensor:
        """e_hat - e, (n, d) float32, for the latents that `pick` returned and r = x_hat - x."""
        return torch.mm(f_nk, W_dec.index_select(0, self.dead_i)).to(r_nd.dtype).add_(r_nd)

    def gradient(
        self, f_nk: torch.Tensor, q_nd: torch.Tensor, W_dec: torch.Tensor, grad_hd: torch.Tensor, n: int
    ) -> torch.Tensor:
        """Add the loss's gradient to W_dec's.

        Args:
            f_nk: what `pick` returned.
            q_nd: what `residual` returned, times the rows' weights where there are any.
            W_dec: (h, d), in the dtype of `f_nk`.
            grad_hd: gradient of W_dec, float32, added to.
            n: rows of the whole batch.

        Returns:
            Gradient of the pre-activations of the dead, (n, n_dead).
        """
        scale, low_nd = 2 * self.weight / (n * q_nd.shape[1]), q_nd.to(f_nk.dtype)
        grad_hd.index_add_(0, self.dead_i, torch.mm(f_nk.T, low_nd).to(q_nd.dtype), alpha=scale)
        return torch.mm(low_nd, W_dec.index_select(0, self.dead_i).T).mul_(scale).mul_(f_nk > 0)
