"""Draw the training curves of the configured blocks."""

import argparse
from pathlib import Path

from aurorascope.config import Config
from aurorascope.figures.curves import draw_curves


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")
    parser.add_argument("--png", required=True, type=Path, help="figure to write")


def run(args: argparse.Namespace, config: Config) -> None:
    draw_curves(config.block_ids, args.results, args.png)
