"""Make many atlases in one process, leaving each block's for its own job to adopt; labels are read once a grid of tokens."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from aurorascope.config.model import Config
from aurorascope.failures import Failures
from aurorascope.measures.atlas.claim import KIND, make_claim
from aurorascope.measures.atlas.make import folder_of, make_atlas, scratch_of
from aurorascope.measures.atlas.planes import Planes
from aurorascope.progress import Progress
from aurorascope.waiting import Waiting

_LOG = logging.getLogger(__name__)


def score_together(config: Config, block_ids: Sequence[str], results: Path, device: torch.device) -> None:
    """Make the atlas of every block whose summary is neither there nor waiting.

    Raises:
        UserError: as of one atlas; those of the other blocks are made all the same.
    """
    failures = Failures(len(block_ids))
    progress = Progress("Scoring features", len(block_ids), "block")
    planes: Planes | None = None
    for block_id in block_ids:
        waiting = Waiting(KIND, results, block_id)
        with failures.kept(block_id):
            if waiting.is_made(make_claim(config, block_id, results)):
                _LOG.info("%s has its atlas already.", block_id)
            else:
                planes = Planes(config, results, scratch_of(results), block_ids) if planes is None else planes
                with waiting.locked():
                    make_atlas(config, block_id, results, folder_of(waiting.results, block_id), device, planes)
                    waiting.leave()
        progress.step(block_id)
    progress.close()
    failures.end()
