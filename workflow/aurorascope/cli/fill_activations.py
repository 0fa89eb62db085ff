"""Fill the stores of all configured blocks, both splits, from a single forward per snapshot."""

import argparse
from pathlib import Path

from aurorascope.activations.claim import make_claim
from aurorascope.activations.manifest import is_complete
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.space import check_space
from aurorascope.blocks import BY_ID
from aurorascope.config import Config
from aurorascope.config.calendar import SPLITS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scratch", required=True, type=Path, help="the scratch folder")


def run(args: argparse.Namespace, config: Config) -> None:
    blocks = [BY_ID[name] for name in config.block_ids]
    # Both splits at once: the second must not meet a full disk after the first took a day.
    check_space(config, blocks, SPLITS, args.scratch)
    for split in SPLITS:
        unfinished = [
            block
            for block in blocks
            if not is_complete(StorePaths.of(args.scratch, block.id, split), make_claim(config, block, split, args.scratch))
        ]
        if unfinished:
            from aurorascope.activations.dump import fill

            fill(config, unfinished, split, args.scratch)
