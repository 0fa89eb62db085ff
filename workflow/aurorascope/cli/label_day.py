"""Make the labels of one date, by formula and the user's own; or adopt what `labels_together` left."""

import argparse
import logging
from pathlib import Path

from aurorascope.config import Config
from aurorascope.labels.together import adopt_label_day
from aurorascope.records import KINDS

_LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--date", required=True, help="YYYY-MM-DD, UTC")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    if adopt_label_day(config, args.date, args.results):
        _LOG.info("What labels_together left of %s is in its place.", args.date)
        return
    from aurorascope.labels.make import make_day

    make_day(config, args.date, args.results, KINDS["labels"].where(args.results, day=args.date))
