"""Attribute an outcome to many blocks in one process from the same passes, leaving each block's for its own job to adopt."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from aurorascope.attribution.claim import KIND, check_suite, make_claim
from aurorascope.attribution.make import make_attributions
from aurorascope.attribution.needs import needs_of
from aurorascope.attribution.outcome_file import FOLDER, read_outcome_file
from aurorascope.config.model import Config
from aurorascope.waiting import Waiting

_LOG = logging.getLogger(__name__)


def attribute_together(
    config: Config, name: str, block_ids: Sequence[str], results: Path, device: torch.device, folder: Path = FOLDER
) -> None:
    """Make the attribution of every block that has none in its place or waiting.

    Args:
        config: the configuration.
        name: of the outcome, whose file is `folder/<name>.yaml`.
        block_ids: blocks, in forward order.
        results: the results folder.
        device: where Aurora runs.
        folder: of outcomes' files.

    Raises:
        UserError: the file is wrong, or a result that is needed is missing, damaged or of another run; before any forward.
        TryAgainError: another process makes attributions of this outcome.
    """
    file = read_outcome_file(name, folder)
    needs = needs_of(file, config.cams)
    check_suite(results, block_ids)
    waiting = {block: Waiting(KIND, results, block, outcome=name) for block in block_ids}
    left = [block for block in block_ids if not waiting[block].is_made(make_claim(config, file, needs, block, results))]
    if len(left) < len(block_ids):
        _LOG.info("%d of %d blocks have theirs already.", len(block_ids) - len(left), len(block_ids))
    if left:
        places = {block: waiting[block].results for block in left}
        make_attributions(config, name, left, results, device, folder=folder, places=places, made=lambda block: waiting[block].leave())

