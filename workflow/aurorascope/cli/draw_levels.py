"""Draw explained variance by latent level and latitude, one heat map a stage."""

import argparse
from pathlib import Path

from aurorascope.config import Config
from aurorascope.figures.levels import draw_levels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")
    parser.add_argument("--png", required=True, type=Path, help="figure to write")


def run(args: argparse.Namespace, config: Config) -> None:
    draw_levels(config.block_ids, args.results, args.png)
