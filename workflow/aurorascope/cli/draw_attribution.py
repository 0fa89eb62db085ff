"""Draw an outcome's attributions as a page with a picture."""

import argparse
from pathlib import Path

from aurorascope.attribution.needs import needs_of
from aurorascope.attribution.outcome_file import read_outcome_file
from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--outcome", required=True, help="name of the outcome, whose file is outcomes/NAME.yaml")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.attribution.finished import read_finished
    from aurorascope.figures.attribution import draw_attribution
    from aurorascope.pages.attribution_page import write_attribution_page

    blocks = needs_of(read_outcome_file(args.outcome), config.cams).blocks or config.block_ids
    outcome = read_finished(args.results, args.outcome, blocks)
    write_attribution_page(outcome, draw_attribution(outcome), args.results)
