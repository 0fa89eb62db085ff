"""The rule `gradient`: one forward and one backward at the clean point serve all blocks."""

from collections.abc import Callable, Mapping

import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.attribution.projection import Projected, project
from aurorascope.attribution.usual import Usual
from aurorascope.attribution.value import Value
from aurorascope.backbone.gradients import graph_from, hear_gradients, pull_back
from aurorascope.blocks import Block
from aurorascope.sae.aurora_sae import AuroraSAE


def by_gradient(
    model: AuroraAirPollution, batch: Batch, value: Value, saes: Mapping[Block, AuroraSAE], usual: Mapping[Block, Usual],
    receive: Callable[[Block, Projected], None],
) -> float:
    """Effects of the features of all blocks on one date.

    Args:
        model: the model, in eval mode.
        batch: the date's input.
        value: what is attributed.
        saes: by block, on the model's device.
        usual: by block.
        receive: called once for each block, the last one first; a block's output and gradient are gone by then.

    Returns:
        The clean y.

    Raises:
        UserError: the clean forecast is not finite, or does not move in the region.
    """
    first = min(saes, key=lambda block: block.depth_index)

    def heard(block: Block, x_nd: torch.Tensor, g_nd: torch.Tensor) -> None:
        receive(block, project(saes[block], usual[block], x_nd, g_nd))

    with graph_from(model, first) as start, hear_gradients(model, saes, heard):
        forecast = model(batch)
        value.set_clean(forecast)
        y = value.differentiable(forecast)
        del forecast
        pull_back(y, start)
    return float(y.detach())
