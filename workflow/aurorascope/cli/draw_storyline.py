"""Draw labels and spatial scales over the depth of the model, from the atlases of the configured blocks."""

import argparse
from pathlib import Path

from aurorascope.config import Config
from aurorascope.figures.depth import draw_depth


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    draw_depth(config, args.results)
