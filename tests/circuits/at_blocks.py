"""The planted stand-in's blocks, as they are in the clean forecast of a date, with the exact gradient of its forecast there."""

import tempfile
from pathlib import Path

from aurorascope.attribution.usual import UsualFile
from aurorascope.backbone.gradients import graph_from, hear_gradients, pull_back
from aurorascope.blocks import BY_ID
from aurorascope.circuits.clean_block import CleanBlock
from aurorascope.circuits.site import Site
from aurorascope.sae.architectures import RELEASED

from tests.circuits import planted
from tests.interventions.linear import output_of

BLOCKS = (planted.FIRST, planted.SECOND)


def y_of(forecast):
    """Sum of the forecast of 2t, which is linear in it."""
    return forecast.surf_vars["2t"].sum()


def ids_of(sae):
    """All features of an SAE, signs apart where it tells them apart."""
    signs = (1, -1) if RELEASED[sae.architecture].signed else (1,)
    return tuple((feature, sign) for feature in range(sae.d_hidden) for sign in signs)


def sites_of(model, sae, blocks=BLOCKS):
    """Each block with all of its features, and its position means over the quiet dates."""
    return [_site(model, sae, block) for block in blocks]


def _site(model, sae, block):
    with tempfile.TemporaryDirectory() as folder:
        file = UsualFile(Path(folder, "means.safetensors"), Path(folder, "sums.safetensors"), len(planted.QUIET))
        for place, date in enumerate(planted.QUIET):
            file.add(place, sae, output_of(model, planted.batch(date), block).float())
        return Site.of(BY_ID[block], sae, file.open(), ids_of(sae))


def blocks_of(model, sites, date):
    """The blocks on a date, in forward order."""
    found = {}

    def receive(block, x_nd, g_nd):
        found[block] = (x_nd, g_nd)

    wanted = [site.block for site in sites]
    with graph_from(model, wanted[0]) as start, hear_gradients(model, wanted, receive):
        pull_back(y_of(model(planted.batch(date))), start)
    return [CleanBlock.of(site, *found[site.block]) for site in sites]
