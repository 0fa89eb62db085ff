"""Reach a chosen L0 by moving the weight of the penalty, instead of guessing the weight.

L0 falls as the weight rises, by orders of magnitude that depend on the block, and it answers late: latents must first move.
The weight's logarithm therefore follows the excess log(L0 / target) in two ways. It sums it up, slowly: by at most SPAN over
the whole training, so that features have time to form before most latents are off (faster, and training ends in a state that
explains nothing). And it holds DAMPING times the excess itself, which stops it from swinging. All of it stays on the device,
in the state that a checkpoint keeps.
"""

import torch

RATE = 0.01
SPAN = 12.0
DAMPING = 0.5
# Nothing on at all counts as this share of the target.
_LEAST = 0.01


def follow(weight: torch.Tensor, before: torch.Tensor, l0: torch.Tensor, target: float, n_steps: int) -> None:
    """Move the weight after a step.

    Args:
        weight: the weight, a scalar, changed in place.
        before: the excess after the step before, 0 at first, changed in place.
        l0: latents on per token in this step.
        target: what is aimed at.
        n_steps: steps of the training.
    """
    excess = (l0 / target).clamp_(min=_LEAST).log_()
    most = SPAN / n_steps
    slow, quick = (RATE * excess).clamp_(-most, most), DAMPING * (excess - before)
    weight.mul_((slow + quick).exp_()).clamp_(1e-12, 1e6)
    before.copy_(excess)
