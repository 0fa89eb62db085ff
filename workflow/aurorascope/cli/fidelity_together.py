"""Measure what forecasts lose with each SAE of a share of the blocks in its place, in one process with shared clean forecasts."""

import argparse
from pathlib import Path

from aurorascope.blocks import BY_ID
from aurorascope.config import Config
from aurorascope.config.shares import share_of
from aurorascope.measures.fidelity.claim import KIND, make_claim
from aurorascope.waiting import Waiting


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")
    parser.add_argument("--share", default="1of1", help="which part of the configured blocks")


def run(args: argparse.Namespace, config: Config) -> None:
    """Measure what is not measured yet; the blocks' own jobs adopt it."""
    blocks = [BY_ID[name] for name in share_of(config.block_ids, args.share)]
    todo = [
        block
        for block in blocks
        if not Waiting(KIND, args.results, block.id).is_made(make_claim(config, block, args.results))
    ]
    if todo:
        from aurorascope.measures.fidelity.measure import measure

        measure(config, todo, args.results)
