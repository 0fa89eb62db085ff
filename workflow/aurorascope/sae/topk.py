"""TopK: each token keeps its k largest ReLU pre-activations (Gao et al. 2024, arXiv 2406.04093, section 2.3)."""

import torch

from aurorascope.sae.objective import Objective, Parameters


class TopK(Objective):
    """See the module; `target_l0` is k."""

    @property
    def k(self) -> int:
        """Latents kept per token in the end."""
        return round(self.settings.target_l0)

    def _activate(self, z_nh: torch.Tensor) -> torch.Tensor:
        values_nk, places_nk = z_nh.topk(round(self.kept()), dim=1, sorted=False)
        return z_nh.zero_().scatter_(1, places_nk, values_nk.relu_())

    def release(self) -> Parameters:
        """The four tensors and k."""
        return {**super().release(), "k": torch.tensor(self.k)}
