"""Dump the activations of one block and split, or verify the store that is already there, and write its manifest."""

import argparse
import logging
from pathlib import Path

from aurorascope.activations.claim import make_claim
from aurorascope.activations.manifest import is_complete, publish
from aurorascope.activations.paths import StorePaths
from aurorascope.blocks import BLOCK_IDS, BY_ID
from aurorascope.config import Config
from aurorascope.config.calendar import SPLITS
from aurorascope.errors import UserError

_LOG = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--split", required=True, choices=SPLITS)
    parser.add_argument("--scratch", required=True, type=Path, help="the scratch folder")


def run(args: argparse.Namespace, config: Config) -> None:
    block, paths = BY_ID[args.block], StorePaths.of(args.scratch, args.block, args.split)
    if is_complete(paths, make_claim(config, block, args.split, args.scratch)):
        try:
            publish(paths)
            return
        except UserError as error:
            # This job owns the store: what is damaged is computed again, and only that.
            _LOG.warning("The finished store is damaged and will be mended: %s", error.one_line())
            paths.complete.unlink()
    # Imported only where something must be computed: torch and Aurora cost 6 s and 1 GB.
    from aurorascope.activations.dump import fill

    fill(config, [block], args.split, args.scratch)
    publish(paths)
