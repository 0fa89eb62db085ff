"""Match the features of two blocks, or of a block and one of another suite: which are the same, and whether more than chance has alike."""

import argparse
from pathlib import Path

from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--a", required=True, help="a block, the one that comes first")
    parser.add_argument("--b", required=True, help="another block, or SUITE.BLOCK of the suite in the folder suites/SUITE")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.backbone.device import make_repeatable, pick_device
    from aurorascope.matching.make import make_match
    from aurorascope.matching.pair import COSINE, named_pair

    make_repeatable(config.compute)
    pair = named_pair(args.a, args.b, args.results)
    # Directions are compared on the CPU, and no GPU is waited for.
    make_match(config, pair, args.results, pick_device("cpu" if pair.how == COSINE else config.aurora.device))
