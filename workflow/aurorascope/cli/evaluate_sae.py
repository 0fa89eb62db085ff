"""Measure one SAE on its block's held-out activations."""

import argparse
from pathlib import Path

from aurorascope.backbone.device import make_repeatable, pick_device
from aurorascope.config import Config
from aurorascope.measures.held_out.evaluate import evaluate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sae", required=True, type=Path, help="record of the SAE")
    parser.add_argument("--train", required=True, type=Path, help="manifest of the training activations")
    parser.add_argument("--held-out", required=True, type=Path, help="manifest of the held-out activations")
    parser.add_argument("--states", required=True, type=Path, help="record of the held-out split")
    parser.add_argument("--record", required=True, type=Path, help="record to write; a .parquet table lies beside it")


def run(args: argparse.Namespace, config: Config) -> None:
    make_repeatable(config.compute)
    device = pick_device(config.aurora.device)
    evaluate(config, args.sae, args.train, args.held_out, args.states, args.record, device)
