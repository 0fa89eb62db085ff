"""Make one block's atlas, or adopt what `score_together` left."""

import argparse
import logging
from pathlib import Path

from aurorascope.config import Config
from aurorascope.measures.atlas.claim import KIND, make_claim
from aurorascope.waiting import Waiting

_LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--block", required=True, help="id of the block")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    if Waiting(KIND, args.results, args.block).adopt(make_claim(config, args.block, args.results)):
        _LOG.info("What score_together left for %s is in its place.", args.block)
        return
    # Imported only where something must be computed: torch costs 2 s.
    from aurorascope.backbone.device import make_repeatable, pick_device
    from aurorascope.measures.atlas.make import folder_of, make_atlas

    make_repeatable(config.compute)
    device = pick_device(config.aurora.device)
    make_atlas(config, args.block, args.results, folder_of(args.results, args.block), device)
