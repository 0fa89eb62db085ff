"""Train the SAEs of all configured blocks in one process, leaving finished checkpoints that the training jobs export."""

import argparse
from pathlib import Path

from aurorascope.backbone.device import make_repeatable, pick_device
from aurorascope.blocks import BY_ID
from aurorascope.config import Config
from aurorascope.training.together import Together


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    make_repeatable(config.compute)
    together = Together(config, args.results, pick_device(config.aurora.device))
    together.train([BY_ID[name] for name in config.block_ids])
