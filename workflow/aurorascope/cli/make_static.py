"""Make Aurora's static fields: one NetCDF file and its record."""

import argparse
from pathlib import Path

from aurorascope.backbone.static import make_static
from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--record", required=True, type=Path, help="record to write")


def run(args: argparse.Namespace, config: Config) -> None:
    make_static(config.static, config.cams, config.aurora.revision, args.record)
