"""Train the SAE of one block again, aside, and compare it with the published one, tensor by tensor."""

import argparse
from pathlib import Path

from aurorascope.backbone.device import make_repeatable, pick_device
from aurorascope.blocks import BLOCK_IDS
from aurorascope.config import Config
from aurorascope.config.paths import expanded
from aurorascope.reproduction.published import Published
from aurorascope.reproduction.reproduce import reproduce


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest of the training activations")
    parser.add_argument("--results", required=True, type=Path, help="the results folder, where the trained one goes")
    parser.add_argument("--against", type=Path, help="folder of the published SAE; without it, reproduce.against or --results")


def run(args: argparse.Namespace, config: Config) -> None:
    """Train, or take up what an earlier run left, and compare."""
    make_repeatable(config.compute)
    against = args.against or Path(expanded(config.reproduce.against or str(args.results), "reproduce.against"))
    published = Published.of(against, args.block)
    reproduce(config, published, args.manifest, args.results, pick_device(config.aurora.device))
