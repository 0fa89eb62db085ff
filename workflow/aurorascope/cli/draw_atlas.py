"""Draw the atlas as pages: one that leads to all blocks, and one a configured block."""

import argparse
from pathlib import Path

from aurorascope.config import Config
from aurorascope.pages.make import draw_atlas


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    draw_atlas(config, args.results)
