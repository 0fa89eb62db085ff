"""Train the SAE of one block and write its weights, golden vectors, SAELens folder, log and record."""

import argparse
from pathlib import Path

from aurorascope.backbone.device import make_repeatable
from aurorascope.blocks import BLOCK_IDS, BY_ID
from aurorascope.config import Config
from aurorascope.training.job import train_sae


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest of the training activations")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    """Train, or take up what an earlier run left, and export."""
    make_repeatable(config.compute)
    train_sae(config, BY_ID[args.block], args.manifest, args.results)
