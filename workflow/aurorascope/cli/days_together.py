"""Make the demo's days of a share of the configured dates in one process; the days' own jobs adopt them."""

import argparse
from pathlib import Path

from aurorascope.cams.together import make_days
from aurorascope.config import Config
from aurorascope.config.calendar import day_hours
from aurorascope.config.shares import share_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")
    parser.add_argument("--share", default="1of1", help="which part of the configured dates")


def run(args: argparse.Namespace, config: Config) -> None:
    make_days(config, share_of(list(day_hours(config.cams)), args.share), args.results / "scratch")
