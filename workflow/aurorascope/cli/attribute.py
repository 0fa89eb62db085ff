"""Attribute the outcome of a file in `outcomes/` to one block's features, or adopt what `attribute_together` left."""

import argparse
import logging
from pathlib import Path

from aurorascope.attribution.claim import KIND, make_claim
from aurorascope.attribution.needs import needs_of
from aurorascope.attribution.outcome_file import read_outcome_file
from aurorascope.blocks import BLOCK_IDS
from aurorascope.config import Config
from aurorascope.waiting import Waiting

_LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--outcome", required=True, help="name of the outcome, whose file is outcomes/NAME.yaml")
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    file = read_outcome_file(args.outcome)
    claim = make_claim(config, file, needs_of(file, config.cams), args.block, args.results)
    if Waiting(KIND, args.results, args.block, outcome=args.outcome).adopt(claim):
        _LOG.info("What attribute_together left for %s is in its place.", args.block)
        return
    # Imported only where something must be computed: torch costs 2 s.
    from aurorascope.attribution.make import make_attributions
    from aurorascope.backbone.device import make_repeatable, pick_device

    make_repeatable(config.compute)
    make_attributions(config, args.outcome, [args.block], args.results, pick_device(config.aurora.device))
