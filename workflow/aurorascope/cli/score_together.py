"""Make the atlases of a share of the configured blocks in one process; the blocks' own jobs adopt them."""

import argparse
from pathlib import Path

from aurorascope.config import Config
from aurorascope.config.shares import share_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")
    parser.add_argument("--share", default="1of1", help="which part of the configured blocks")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.backbone.device import make_repeatable, pick_device
    from aurorascope.measures.atlas.together import score_together

    make_repeatable(config.compute)
    device = pick_device(config.aurora.device)
    score_together(config, share_of(config.block_ids, args.share), args.results, device)
