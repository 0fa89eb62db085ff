"""Measure what forecasts lose with one block's SAE in its place, or adopt what `fidelity_together` has measured."""

import argparse
from pathlib import Path

from aurorascope.blocks import BLOCK_IDS, BY_ID
from aurorascope.config import Config
from aurorascope.measures.fidelity.claim import KIND, make_claim
from aurorascope.waiting import Waiting


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    block, waiting = BY_ID[args.block], Waiting(KIND, args.results, args.block)
    claim = make_claim(config, block, args.results)
    if waiting.adopt(claim):
        return
    # Imported only where something must be computed: torch and Aurora cost 6 s and 1 GB.
    from aurorascope.measures.fidelity.measure import measure

    measure(config, [block], args.results)
    waiting.adopt(claim)
