"""Measure what forecasts lose with one block's SAE in its place, or adopt what `fidelity_together` has measured."""

import argparse
from pathlib import Path

from aurorascope.blocks import BLOCK_IDS, BY_ID
from aurorascope.config import Config
from aurorascope.measures.fidelity.claim import FidelityFiles, adopt, make_claim


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    block, files = BY_ID[args.block], FidelityFiles(args.results, args.block)
    claim = make_claim(config, block, args.results)
    if adopt(files, claim):
        return
    # Imported only where something must be computed: torch and Aurora cost 6 s and 1 GB.
    from aurorascope.measures.fidelity.measure import measure

    measure(config, [block], args.results)
    adopt(files, claim)
