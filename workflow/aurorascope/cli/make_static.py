"""Make Aurora's static fields: one NetCDF file and its record."""

import argparse
from pathlib import Path

from aurorascope.backbone.static import make_static
from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--record", required=True, type=Path, help="record to write")


def run(args: argparse.Namespace, config: Config) -> None:
    """Make the static fields."""
    make_static(config.static, config.cams, config.aurora.revision, args.record)
