"""Attribute the outcome of a file in `outcomes/` to the features of all its blocks from the same passes; the blocks' own jobs adopt them."""

import argparse
from pathlib import Path

from aurorascope.attribution.needs import needs_of
from aurorascope.attribution.outcome_file import read_outcome_file
from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--outcome", required=True, help="name of the outcome, whose file is outcomes/NAME.yaml")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.attribution.together import attribute_together
    from aurorascope.backbone.device import make_repeatable, pick_device

    make_repeatable(config.compute)
    blocks = needs_of(read_outcome_file(args.outcome), config.cams).blocks or config.block_ids
    attribute_together(config, args.outcome, blocks, args.results, pick_device(config.aurora.device))
