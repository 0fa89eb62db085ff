"""Train a block's SAE with other seeds and measure whether they find the same features."""

import argparse
from pathlib import Path

from aurorascope.backbone.device import make_repeatable, pick_device
from aurorascope.config import Config
from aurorascope.measures.stability.measure import measure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sae", required=True, type=Path, help="record of the released SAE")
    parser.add_argument("--train", required=True, type=Path, help="manifest of the training activations")
    parser.add_argument("--held-out", required=True, type=Path, help="manifest of the held-out activations")
    parser.add_argument("--scratch", required=True, type=Path, help="the scratch folder")
    parser.add_argument("--record", required=True, type=Path, help="the record to write")


def run(args: argparse.Namespace, config: Config) -> None:
    """Train, or take up what an earlier run left, and compare."""
    make_repeatable(config.compute)
    device = pick_device(config.aurora.device)
    measure(config, args.sae, args.train, args.held_out, args.record, device, args.scratch)
