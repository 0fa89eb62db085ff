"""The planted stand-in's blocks, as they are in the clean forecast of a date, with the exact gradient of its forecast there."""

import torch
from aurorascope.backbone.gradients import graph_from, hear_gradients, pull_back
from aurorascope.blocks import BY_ID
from aurorascope.circuits.clean_block import CleanBlock
from aurorascope.circuits.usual import Usual
from aurorascope.features.forward import encode

from tests.circuits import planted
from tests.interventions.linear import output_of


def y_of(forecast):
    """Sum of the forecast of 2t, which is linear in it."""
    return forecast.surf_vars["2t"].sum()


def usual_of(model, sae, block):
    """Position means of a block over the quiet dates."""
    outputs = [output_of(model, planted.batch(date), block).float() for date in planted.QUIET]
    with torch.inference_mode():
        features = [encode(sae, x_nd) for x_nd in outputs]
    return Usual.of(torch.stack(outputs).double().mean(0).float(), lambda: features, sae)


def blocks_of(model, sae, date, blocks=(planted.FIRST, planted.SECOND)):
    """Each block with all of its features."""
    found, ids = {}, tuple((feature, 1) for feature in range(sae.d_hidden))

    def receive(block, x_nd, g_nd):
        found[block.id] = (x_nd, g_nd)

    wanted = [BY_ID[block] for block in blocks]
    with graph_from(model, wanted[0]) as start, hear_gradients(model, wanted, receive):
        pull_back(y_of(model(planted.batch(date))), start)
    usual = {block: usual_of(model, sae, block) for block in blocks}
    return {block: CleanBlock.of(BY_ID[block], sae, ids, *found[block], usual[block], usual[block].sizes(ids)) for block in blocks}
