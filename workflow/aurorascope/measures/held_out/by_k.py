"""What an autoencoder that is trained for several k explains with each of them: errors of a pass that is made anyway."""

from itertools import pairwise

import torch

from aurorascope.features.forward import Features
from aurorascope.measures.held_out.metrics import explained
from aurorascope.measures.held_out.sums import Sums
from aurorascope.sae.active import Active
from aurorascope.sae.aurora_sae import AuroraSAE


class ByK:
    """Squared errors of the reconstructions from each token's largest features.

    Args:
        kept: numbers of features, ascending; empty for none.

    Attributes:
        sse_g: of each, summed over tokens and channels, float64.
    """

    def __init__(self, kept: tuple[int, ...]) -> None:
        self.kept, self.sse_g = kept, [0.0] * len(kept)

    def add(self, sae: AuroraSAE, x_nd: torch.Tensor, features: Features) -> None:
        """Count tokens with activations (n, d) and these features; inside `torch.inference_mode()`."""
        if not self.kept:
            return
        latents_nk, values_nk = features.padded() if isinstance(features, Active) else _largest(features, self.kept[-1])
        order_nk = values_nk.abs().argsort(dim=1, descending=True, stable=True)
        latents_nk, values_nk = latents_nk.gather(1, order_nk), values_nk.gather(1, order_nk)
        error_nd = sae.b_dec - x_nd
        for g, (first, end) in enumerate(pairwise((0, *self.kept))):
            part = slice(first, min(end, latents_nk.shape[1]))
            if part.start < part.stop:
                error_nd += torch.nn.functional.embedding_bag(
                    latents_nk[:, part], sae.W_dec, per_sample_weights=values_nk[:, part], mode="sum"
                )
            self.sse_g[g] += float(error_nd.double().square().sum())

    def rows(self, sums: Sums) -> list[dict[str, float | int | None]]:
        """k, fve and fve_anom of each, defined as the metrics of these names."""
        s = sums.scalars
        return [
            {"k": k, "fve": explained(sse, s["sst"], s["x_sq"]), "fve_anom": explained(sse, s["sst_position"], s["x_sq"])}
            for k, sse in zip(self.kept, self.sse_g, strict=True)
        ]


def _largest(features_nh: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
    latents_nk = features_nh.abs().topk(min(k, features_nh.shape[1]), dim=1).indices
    return latents_nk, features_nh.gather(1, latents_nk)
