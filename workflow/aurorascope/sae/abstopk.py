"""AbsTopK: each token keeps the k pre-activations of largest magnitude, with their sign (Zhu et al. 2025, arXiv 2510.00404).

A latent that stands for an anomaly serves both of its signs. L0 counts what is not zero; a latent fires with either sign.
"""

import torch

from aurorascope.sae.objective import Parameters
from aurorascope.sae.topk import TopK


class AbsTopK(TopK):
    """See the module; `target_l0` is k."""

    signed = True

    def release(self) -> Parameters:
        """The four tensors, k and the mark that features have signs."""
        return {**super().release(), "signed": torch.tensor(True)}
