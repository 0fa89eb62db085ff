"""Evaluate many SAEs in one process, leaving each block's record and table for its own job to adopt."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from aurorascope.config.model import Config
from aurorascope.failures import Failures
from aurorascope.measures.held_out.claim import KIND, inputs_of, make_claim
from aurorascope.measures.held_out.evaluate import evaluate
from aurorascope.progress import Progress
from aurorascope.waiting import Waiting

_LOG = logging.getLogger(__name__)


def evaluate_together(config: Config, block_ids: Sequence[str], results: Path, device: torch.device) -> None:
    """Evaluate every block whose record is neither there nor waiting.

    Raises:
        UserError: as of one evaluation; the other blocks are evaluated all the same.
    """
    failures = Failures(len(block_ids))
    progress = Progress("Evaluating SAEs", len(block_ids), "block")
    for block_id in block_ids:
        with failures.kept(block_id):
            _evaluate(config, block_id, results, device)
        progress.step(block_id)
    progress.close()
    failures.end()


def _evaluate(config: Config, block_id: str, results: Path, device: torch.device) -> None:
    waiting, inputs = Waiting(KIND, results, block_id), inputs_of(results, block_id)
    if waiting.is_made(make_claim(config, **inputs)):
        _LOG.info("%s is evaluated already.", block_id)
        return
    states = results / "scratch" / "states" / "held_out.json"
    with waiting.locked():
        evaluate(config, *inputs.values(), states, KIND.where(waiting.results, block=block_id), device)
        waiting.leave()
