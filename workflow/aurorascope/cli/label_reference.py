"""Work out the quantiles of the training states that labels by formula are cut at: one NetCDF file and its record."""

import argparse
from pathlib import Path

from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.labels.make import make_reference

    make_reference(config, args.results)
