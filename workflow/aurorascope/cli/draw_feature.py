"""Draw one feature of one block as a global map."""

import argparse
from pathlib import Path

from aurorascope.backbone.device import make_repeatable
from aurorascope.config import Config
from aurorascope.figures.feature_map import draw_feature


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sae", required=True, type=Path, help="record of the SAE")
    parser.add_argument("--held-out", required=True, type=Path, help="manifest of the held-out activations")
    parser.add_argument("--states", required=True, type=Path, help="record of the held-out split")
    parser.add_argument("--static", required=True, type=Path, help="record of the static fields")
    parser.add_argument("--png", required=True, type=Path, help="figure to write")


def run(args: argparse.Namespace, config: Config) -> None:
    make_repeatable(config.compute)
    draw_feature(config, args.sae, args.held_out, args.states, args.static, args.png)
