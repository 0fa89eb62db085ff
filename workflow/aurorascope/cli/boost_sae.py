"""Train a second SAE of one block on what its first one leaves out."""

import argparse
from pathlib import Path

from aurorascope.blocks import BLOCK_IDS, BY_ID
from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    """Train, or take up what an earlier run left, and export."""
    from aurorascope.backbone.device import make_repeatable, pick_device
    from aurorascope.boosting.train import boost_sae

    make_repeatable(config.compute)
    boost_sae(config, BY_ID[args.block], args.results, pick_device(config.aurora.device))
