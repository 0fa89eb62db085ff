"""Check address, key and licence of the Atmosphere Data Store without asking for data; lift an earlier refusal."""

import argparse
from pathlib import Path

from aurorascope.cams.ads.check import check_access
from aurorascope.cams.request import day_request
from aurorascope.config import Config
from aurorascope.config.calendar import day_hours
from aurorascope.progress import tell


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", required=True, type=Path, help="folder of the days")


def run(args: argparse.Namespace, config: Config) -> None:
    if config.cams.source != "ads":
        tell(f"cams.source is {config.cams.source}: this configuration asks the data store for nothing.")
    date, hours = next(iter(day_hours(config.cams).items()))
    for finding in check_access(args.folder, config.cams.ads, day_request(date, config.cams.levels, hours)):
        tell(finding)
    tell("All is well.")
