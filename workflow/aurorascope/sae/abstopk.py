"""AbsTopK: each token keeps the k pre-activations of largest magnitude, with their sign (Zhu et al. 2025, arXiv 2510.00404).

A latent that stands for an anomaly serves both of its signs. L0 counts what is not zero; a latent fires with either sign.
"""

import torch

from aurorascope.sae.objective import Parameters
from aurorascope.sae.topk import TopK


class AbsTopK(TopK):
    """See the module; `target_l0` is k."""

    def _activate(self, z_nh: torch.Tensor) -> torch.Tensor:
        places_nk = z_nh.abs().topk(round(self.kept()), dim=1, sorted=False).indices
        values_nk = z_nh.gather(1, places_nk)
        return z_nh.zero_().scatter_(1, places_nk, values_nk)

    def _to_latents(
        self, r_nd: torch.Tensor, f_nh: torch.Tensor, weight_n: torch.Tensor | None, n: int
    ) -> torch.Tensor:
        return self._through_decoder(r_nd, n).mul_(f_nh != 0)

    def release(self) -> Parameters:
        """The four tensors, k and the mark that features have signs."""
        return {**super().release(), "signed": torch.tensor(True)}
