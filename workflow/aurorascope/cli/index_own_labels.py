"""List the ids of the user's labels, once every configured date has the same ones."""

import argparse
from pathlib import Path

from aurorascope.config import Config
from aurorascope.files import write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--record", required=True, type=Path, help="record to write")


def run(args: argparse.Namespace, config: Config) -> None:
    from aurorascope.labels.make import make_own_ids

    write_json(args.record, make_own_ids(config, args.record))
