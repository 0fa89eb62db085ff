"""Follow features from block to block through their matches, and draw how far they go."""

import argparse
from pathlib import Path

from aurorascope.config import Config
from aurorascope.figures.chains import draw_chains
from aurorascope.matching.make_chains import make_chains


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    draw_chains(make_chains(config, args.results), args.results / "figures" / "chains.png")
