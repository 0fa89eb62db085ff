"""TopK: each token keeps its k largest ReLU pre-activations (Gao et al. 2024, arXiv 2406.04093, section 2.3)."""

import torch

from aurorascope.sae.objective import Parameters
from aurorascope.sae.selecting import Selecting
from aurorascope.sae.selection import Chosen, largest


class TopK(Selecting):
    """See the module; `target_l0` is k."""

    signed = False

    @property
    def k(self) -> int:
        """Latents kept per token in the end."""
        return round(self.settings.target_l0)

    def _choose(self, z_nh: torch.Tensor) -> Chosen:
        return largest(z_nh, round(self.kept()), self.signed)

    def _mask(self, z_nh: torch.Tensor) -> torch.Tensor:
        size_nh = z_nh.abs() if self.signed else z_nh
        places_nk = size_nh.topk(round(self.kept()), dim=1, sorted=False).indices
        values_nk = z_nh.gather(1, places_nk)
        return z_nh.zero_().scatter_(1, places_nk, values_nk if self.signed else values_nk.relu_())

    def release(self) -> Parameters:
        """The four tensors and k."""
        return {**super().release(), "k": torch.tensor(self.k)}
