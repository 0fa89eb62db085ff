"""Measure one block's boosted SAE on its held-out activations, beside the first alone."""

import argparse
from pathlib import Path

from aurorascope.blocks import BLOCK_IDS
from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.backbone.device import make_repeatable, pick_device
    from aurorascope.measures.boost.measure import measure

    make_repeatable(config.compute)
    measure(config, args.block, args.results, pick_device(config.aurora.device))
