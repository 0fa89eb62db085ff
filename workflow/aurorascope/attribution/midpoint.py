"""The rule `midpoint`: each block's output alone goes to its position mean; gradients are averaged at the middles of equal parts of the way.

Features go to their position means and the error node to its own on the same way, since decoding is linear. Middles, not left ends: of
y = h^2 the left rule is wrong by a share of 1 / n of n parts, the middles by nothing. (Integrated gradients, Sundararajan et al. 2017,
arXiv:1703.01365.)
"""

from collections.abc import Callable

import torch
from aurora import AuroraAirPollution

from aurorascope.attribution.projection import Projected, project
from aurorascope.attribution.usual import Usual
from aurorascope.attribution.value import Value
from aurorascope.backbone.gradients import graph_from, pull_back
from aurorascope.backbone.replay import Replay
from aurorascope.blocks import Block
from aurorascope.sae.aurora_sae import AuroraSAE


def by_midpoints(
    model: AuroraAirPollution, replay: Replay, block: Block, value: Value, sae: AuroraSAE, usual: Usual, n_points: int
) -> Projected:
    """Effects of the features of one block on one date.

    Args:
        model: the model, in eval mode.
        replay: of the date, advanced to the block.
        block: the block.
        value: what is attributed, with its clean forecast.
        sae: the block's, on the model's device.
        usual: the block's.
        n_points: midpoints.
    """
    x_nd = replay.output(block)[0].clone().float()
    g_nd = mean_gradient(
        lambda alpha: _gradient(model, replay, block, value, lambda x_nd: towards(x_nd, usual.output().to(x_nd.device), alpha)), n_points
    )
    return project(sae, usual, x_nd, g_nd)


def mean_gradient(gradient: Callable[[float], torch.Tensor], n_points: int) -> torch.Tensor:
    """Mean of gradients at the middles of `n_points` equal parts of the way from 0 to 1, in their order."""
    total = torch.zeros(())
    for point in range(n_points):
        total = total + gradient((point + 0.5) / n_points)
    return total / n_points


def towards(x_nd: torch.Tensor, mean_nd: torch.Tensor, alpha: float) -> torch.Tensor:
    """A share of the way from x to its mean."""
    return x_nd + alpha * (mean_nd - x_nd)


def _gradient(
    model: AuroraAirPollution, replay: Replay, block: Block, value: Value, replace: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    with replay.known(), graph_from(model, block, replace) as start:
        return pull_back(value.differentiable(model(replay.batch)), start)
