"""Make one CAMS day: fetch or generate its zip, validate it, write its states and its record; or adopt what `days_together` left."""

import argparse
import logging
from pathlib import Path

from aurorascope.cams.day import make_day
from aurorascope.cams.together import adopt_day
from aurorascope.config import Config
from aurorascope.config.calendar import day_hours
from aurorascope.errors import UserError

_LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--date", required=True, help="YYYY-MM-DD, UTC")
    parser.add_argument("--record", required=True, type=Path, help="record to write")
    parser.add_argument("--attempt", type=int, default=1, help="which try within one run of the workflow this is")


def run(args: argparse.Namespace, config: Config) -> None:
    cams = config.cams
    needed = day_hours(cams)
    if args.date not in needed:
        days = list(needed)
        raise UserError(
            args.record, f"a day of the configured run ({days[0]} … {days[-1]})", args.date,
            "add the date to cams.train or cams.held_out",
        )
    if adopt_day(config, args.date, args.record):
        _LOG.info("What days_together left of %s is in its place.", args.date)
        return
    make_day(args.date, args.record, cams, needed[args.date], args.attempt)
