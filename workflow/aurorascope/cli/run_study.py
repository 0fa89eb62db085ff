"""Run one study of a file in `studies/`: an edit of features with all its controls, and a word for what it does."""

import argparse
from pathlib import Path

from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", required=True, help="name of the study, whose file is studies/NAME.yaml")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.backbone.device import make_repeatable, pick_device
    from aurorascope.studies.make import make_study

    make_repeatable(config.compute)
    make_study(config, args.study, args.results, pick_device(config.aurora.device))
