"""Write sae_index.json from the records of the suite."""

import argparse
import logging
from pathlib import Path

from aurorascope.config import Config
from aurorascope.files import write_json
from aurorascope.notices import tell
from aurorascope.release.index import build_index
from aurorascope.release.quality import UNFIT

_LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    index = build_index(config, args.results)
    write_json(args.results / "sae_index.json", index)
    unfit = [f"The suite: {flag}." for flag in index["suite"]["flags"] if flag.startswith(UNFIT)]
    for line in unfit:
        _LOG.warning(line)
    tell(unfit)
