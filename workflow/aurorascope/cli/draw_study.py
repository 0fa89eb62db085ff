"""Draw a finished study as a page with pictures, and the list of all studies that are there."""

import argparse
from pathlib import Path

from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", required=True, help="name of the study")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.figures.study import draw_study_pictures
    from aurorascope.pages.study_index import write_study_index
    from aurorascope.pages.study_page import write_study_page
    from aurorascope.studies.finished import read_finished

    study = read_finished(args.results, args.study)
    write_study_page(study, draw_study_pictures(study, args.results), args.results)
    write_study_index(args.results)
