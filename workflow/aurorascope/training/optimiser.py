"""Adam, followed by the constraint that keeps every decoder row at unit norm."""

import torch

from aurorascope.sae.relu import Weights

_BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8
_MIN_NORM = 1e-8


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1) on one SAE's weights, in place.

    Args:
        weights: the parameters.
        lr: learning rate.
    """

    def __init__(self, weights: Weights, lr: float) -> None:
        self.weights, self.lr, self.t = weights, lr, 0
        self.m, self.v = weights.like(), weights.like()

    def step(self, grads: Weights) -> None:
        """One update with the given gradients, then decoder rows back to unit norm."""
        self.t += 1
        parameters, gradients, m, v = (part.tensors() for part in (self.weights, grads, self.m, self.v))
        torch._foreach_lerp_(m, gradients, 1 - _BETA1)
        torch._foreach_mul_(v, _BETA2)
        torch._foreach_addcmul_(v, gradients, gradients, 1 - _BETA2)
        denominator = torch._foreach_sqrt(v)
        torch._foreach_div_(denominator, (1 - _BETA2**self.t) ** 0.5)
        torch._foreach_add_(denominator, _EPS)
        torch._foreach_addcdiv_(parameters, m, denominator, -self.lr / (1 - _BETA1**self.t))
        rows_hd = self.weights.W_dec
        rows_hd.div_(torch.linalg.vector_norm(rows_hd, dim=1, keepdim=True).clamp_min_(_MIN_NORM))
