"""List the snapshots and states of one split, with the digests of the states."""

import argparse
import dataclasses
from pathlib import Path

from aurorascope.cams.split import write_split
from aurorascope.config import Config
from aurorascope.config.calendar import SPLITS, snapshots


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--split", required=True, choices=SPLITS)
    parser.add_argument("--days", required=True, type=Path, help="folder of the day records")
    parser.add_argument("--record", required=True, type=Path, help="record to write")


def run(args: argparse.Namespace, config: Config) -> None:
    chosen = [dataclasses.asdict(snapshot) for snapshot in snapshots(config.cams, args.split)]
    write_split(args.record, args.days, chosen, args.split)
