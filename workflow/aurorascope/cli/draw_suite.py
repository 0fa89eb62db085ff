"""Draw the suite: each metric of the 48 blocks as the U-Net."""

import argparse
from pathlib import Path

from aurorascope.config import Config
from aurorascope.figures.suite import draw_suite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--index", required=True, type=Path, help="sae_index.json")
    parser.add_argument("--png", required=True, type=Path, help="figure to write")


def run(args: argparse.Namespace, config: Config) -> None:
    draw_suite(args.index, args.png)
