"""Look at quiet dates: each runs Aurora once up to the deepest block that still needs it."""

import logging
from collections.abc import Mapping, Sequence

import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.attribution.usual import Usual, UsualFile
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.blocks import Block
from aurorascope.sae.aurora_sae import AuroraSAE

_LOG = logging.getLogger(__name__)


def make_usual(
    model: AuroraAirPollution, saes: Mapping[Block, AuroraSAE], batches: Mapping[str, Batch], dates: Sequence[str],
    files: Mapping[Block, UsualFile],
) -> dict[Block, Usual]:
    """What blocks usually are; dates that a file has already are not looked at again.

    Args:
        model: the model, in eval mode.
        saes: by block, on the model's device.
        batches: inputs by quiet date, one member each.
        dates: quiet dates, ascending.
        files: by block.

    Raises:
        DiskError: the disk is full or read-only.
    """
    n_done = {block: file.n_done() for block, file in files.items()}
    for place, date in enumerate(dates):
        blocks = [block for block in files if n_done[block] <= place]
        if not blocks:
            continue

        def receive(block: Block, x_nd: torch.Tensor, place: int = place) -> None:
            files[block].add(place, saes[block], x_nd)

        run_to_blocks(model, batches[date], blocks, receive)
        _LOG.info("Quiet date %s (%d of %d): what %d blocks usually are.", date, place + 1, len(dates), len(blocks))
    return {block: file.open() for block, file in files.items()}
