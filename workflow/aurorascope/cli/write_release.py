"""Write one of the files around the weights: model card, stand-alone module, schema, table of metrics, or SHA256SUMS."""

import argparse
from pathlib import Path

from aurorascope.config import Config
from aurorascope.release import bundle

_PARTS = {
    "card": bundle.write_card,
    "module": bundle.copy_module,
    "schema": bundle.copy_schema,
    "table": bundle.write_suite_table,
    "digests": bundle.write_digests,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--part", required=True, choices=sorted(_PARTS))
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    _PARTS[args.part](args.results)
