"""Write the features of one block's SAE on one configured date as a labelled NetCDF file."""

import argparse
from pathlib import Path

from aurorascope.backbone.device import make_repeatable
from aurorascope.config import Config
from aurorascope.config.calendar import split_of_day
from aurorascope.features.write import write_features


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--day", required=True, help="YYYY-MM-DD, UTC")
    parser.add_argument("--sae", required=True, type=Path, help="record of the SAE")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest of the activations of the date's split")
    parser.add_argument("--states", required=True, type=Path, help="record of that split")
    parser.add_argument("--netcdf", required=True, type=Path, help="file to write")


def run(args: argparse.Namespace, config: Config) -> None:
    split_of_day(config.cams, args.day)
    make_repeatable(config.compute)
    write_features(config, args.day, args.sae, args.manifest, args.states, args.netcdf)
