"""Draw the page of each configured block: training, feature density, explained variance by level and latitude."""

import argparse
from pathlib import Path

from aurorascope.config import Config
from aurorascope.figures.page import draw_pages


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")
    parser.add_argument("--folder", required=True, type=Path, help="folder of the figures to write")


def run(args: argparse.Namespace, config: Config) -> None:
    draw_pages(config.block_ids, args.results, args.folder)
