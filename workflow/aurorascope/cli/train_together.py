"""Train the SAEs of a share of the configured blocks in one process, leaving each one's files for its own job to adopt."""

import argparse
from pathlib import Path

from aurorascope.backbone.device import make_repeatable, pick_device
from aurorascope.blocks import BY_ID
from aurorascope.config import Config
from aurorascope.config.shares import share_of
from aurorascope.training.together import Together


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")
    parser.add_argument("--share", default="1of1", help="which part of the configured blocks")


def run(args: argparse.Namespace, config: Config) -> None:
    make_repeatable(config.compute)
    together = Together(config, args.results, pick_device(config.aurora.device))
    together.train([BY_ID[name] for name in share_of(config.block_ids, args.share)])
