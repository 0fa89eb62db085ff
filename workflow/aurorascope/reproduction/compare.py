"""Two sets of weights beside each other: the same bytes, or how far apart."""

from dataclasses import dataclass
from typing import Any

import torch

from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.digest import tensor_digest


@dataclass(frozen=True)
class Comparison:
    """One tensor of two SAEs.

    Attributes:
        name: the tensor.
        published: its digest in the published SAE; None where it has none.
        retrained: its digest in the one trained again; None where it has none.
        max_abs: largest absolute difference; None where they cannot be subtracted.
        max_rel: largest difference of two entries over the larger magnitude of the two, from 0 to 2.
    """

    name: str
    published: str | None
    retrained: str | None
    max_abs: float | None
    max_rel: float | None

    @property
    def is_identical(self) -> bool:
        """Whether type, shape and all bytes are the same."""
        return self.published == self.retrained

    def words(self) -> str:
        """How they differ."""
        if None in (self.published, self.retrained):
            return f"{self.name} only in the {'published' if self.retrained is None else 'retrained'} one"
        if self.max_abs is None:
            return f"{self.name} of another shape or type, or not finite"
        return f"{self.name} that differs by up to {self.max_abs:.3g}, relatively by up to {self.max_rel:.3g}"


def compare_weights(published: dict[str, torch.Tensor], retrained: dict[str, torch.Tensor]) -> list[Comparison]:
    """Every tensor of either, in the order of the published file."""
    return [
        _compared(name, published.get(name), retrained.get(name)) for name in dict.fromkeys([*published, *retrained])
    ]


def _compared(name: str, a: torch.Tensor | None, b: torch.Tensor | None) -> Comparison:
    digests = [None if tensor is None else tensor_digest({name: tensor}) for tensor in (a, b)]
    if a is None or b is None or a.shape != b.shape or a.dtype != b.dtype:
        return Comparison(name, *digests, None, None)
    distance = (a.double() - b.double()).abs()
    if not bool(torch.isfinite(distance).all()):
        return Comparison(name, *digests, None, None)
    larger = torch.maximum(a.double().abs(), b.double().abs())
    relative = torch.where(distance > 0, distance / larger, 0.0)
    return Comparison(name, *digests, float(distance.max()), float(relative.max()))


def explained(tensors: dict[str, torch.Tensor], x_nd: torch.Tensor) -> float:
    """The metric fve (docs/metrics.md, r2_pooled) of an SAE on these tokens alone, in float64.

    Args:
        tensors: its weights.
        x_nd: (n_tokens, d) float32 on the CPU.
    """
    with torch.inference_mode():
        x_hat_nd, _ = AuroraSAE.from_tensors(tensors)(x_nd)
    sse = (x_nd.double() - x_hat_nd.double()).square().sum()
    sst = (x_nd.double() - x_nd.double().mean(0)).square().sum()
    return float(1 - sse / sst)


def as_record(comparisons: list[Comparison]) -> dict[str, Any]:
    """The comparisons, JSON-ready, by tensor."""
    return {
        one.name: {
            "identical": one.is_identical, "published_sha256": one.published, "sha256": one.retrained,
            "max_abs": one.max_abs, "max_rel": one.max_rel,
        }
        for one in comparisons
    }
