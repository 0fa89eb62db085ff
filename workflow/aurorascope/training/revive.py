"""New directions for dead latents at the end of an epoch (Bricken et al. 2023, appendix "neuron resampling").

Inputs are drawn with a probability that goes with the square of their loss; a dead latent takes the unit vector of one as its
decoder row and, at 0.2 of the mean norm of the living, as its encoder column. Its bias becomes 0, its Adam moments too. The
original resamples at four steps of 100,000; ours are ends of epochs before the last quarter of a training.
"""

import numpy as np
import torch

from aurorascope.sae.objective import Objective
from aurorascope.streams import Stream, generator
from aurorascope.training.optimiser import Adam

LAST_SHARE = 0.75
_ENCODER_SHARE = 0.2


def resample(objective: Objective, optimiser: Adam, dead_i: torch.Tensor, x_nd: torch.Tensor, seed: list[int]) -> None:
    """Give the dead new directions, in place.

    Args:
        objective: the SAE's objective.
        optimiser: its optimiser.
        dead_i: indices of dead latents.
        x_nd: (n, d) activations to draw from.
        seed: what the draw depends on beside the losses: (configured seed, block, epoch).
    """
    losses_n = objective.row_losses(x_nd).double().square().cpu().numpy()
    # Each input once: two latents that start alike stay alike.
    dead_i = dead_i[: int(np.count_nonzero(losses_n))]
    if not len(dead_i) or not np.isfinite(losses_n.sum()):
        return
    rng = generator(Stream.RESAMPLING, *seed)
    drawn = rng.choice(len(losses_n), len(dead_i), replace=False, p=losses_n / losses_n.sum())
    xc_kd = objective.centred(x_nd[torch.from_numpy(drawn).to(x_nd.device)])
    unit_kd = xc_kd / torch.linalg.vector_norm(xc_kd, dim=1, keepdim=True).clamp_min(1e-8)
    p = objective.parameters
    alive_h = torch.ones(objective.h, dtype=torch.bool, device=x_nd.device)
    alive_h[dead_i] = False
    norm = torch.linalg.vector_norm(p["W_enc"], dim=0)[alive_h].mean().nan_to_num_(1.0)
    p["W_dec"][dead_i] = unit_kd
    p["W_enc"][:, dead_i] = unit_kd.T * (_ENCODER_SHARE * norm)
    fresh = {"b_enc": torch.zeros(objective.h), **objective.extra_parameters(objective.d, objective.h)}
    for name, values_h in fresh.items():
        p[name][dead_i] = values_h.to(x_nd.device)[dead_i]
    for name, moment in optimiser.moments().items():
        kind, parameter = name.split(".", 1)
        if kind == "step" or parameter == "b_dec":
            continue
        if parameter == "W_enc":
            moment[:, dead_i] = 0
        else:
            moment[dead_i] = 0
