"""Train the SAE of one block and write its weights, golden vectors, SAELens folder, log and record."""

import argparse
import logging
from pathlib import Path

from aurorascope.blocks import BLOCK_IDS, BY_ID
from aurorascope.config import Config
from aurorascope.training.sae_files import adopt_sae

_LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest of the training activations")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    """Adopt what `train_together` left; else train, or take up what an earlier run left, and export."""
    if adopt_sae(config, args.block, args.manifest, args.results):
        _LOG.info("What train_together left for %s is in its place.", args.block)
        return
    # Imported only where something must be computed: torch costs 2 s.
    from aurorascope.backbone.device import make_repeatable
    from aurorascope.training.job import train_sae

    make_repeatable(config.compute)
    train_sae(config, BY_ID[args.block], args.manifest, args.results)
