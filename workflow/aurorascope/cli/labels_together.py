"""Make the labels of a share of the configured dates in one process; the dates' own jobs adopt them."""

import argparse
from pathlib import Path

from aurorascope.config import Config
from aurorascope.config.calendar import day_snapshots
from aurorascope.config.shares import share_of
from aurorascope.labels.together import make_label_days


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")
    parser.add_argument("--share", default="1of1", help="which part of the configured dates")


def run(args: argparse.Namespace, config: Config) -> None:
    make_label_days(config, share_of(list(day_snapshots(config.cams)), args.share), args.results)
