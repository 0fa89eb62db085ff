"""Draw a circuit that was traced as a page."""

import argparse
from pathlib import Path

from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--circuit", required=True, help="name of the circuit")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.circuits.finished import read_finished
    from aurorascope.pages.circuit_page import write_circuit_page

    write_circuit_page(read_finished(args.results, args.circuit), args.results)
