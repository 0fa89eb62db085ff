"""Trace the circuit of a file in `circuits/`: nodes, edges, faithfulness, and all controls."""

import argparse
from pathlib import Path

from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--circuit", required=True, help="name of the circuit, whose file is circuits/NAME.yaml")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.backbone.device import make_repeatable, pick_device
    from aurorascope.circuits.make import make_circuit

    make_repeatable(config.compute)
    make_circuit(config, args.circuit, args.results, pick_device(config.aurora.device))
