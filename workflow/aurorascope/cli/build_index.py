"""Write sae_index.json from the records of the suite."""

import argparse
from pathlib import Path

from aurorascope.config import Config
from aurorascope.files import write_json
from aurorascope.release.index import build_index


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    """Write the index."""
    write_json(args.results / "sae_index.json", build_index(config, args.results))
