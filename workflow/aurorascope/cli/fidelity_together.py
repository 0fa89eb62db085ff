"""Measure what forecasts lose with each configured block's SAE in its place, in one process with shared clean forecasts."""

import argparse
from pathlib import Path

from aurorascope.blocks import BY_ID
from aurorascope.config import Config
from aurorascope.measures.fidelity.claim import FidelityFiles, is_measured, make_claim


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    """Measure what is not measured yet; the blocks' own jobs adopt it."""
    blocks = [BY_ID[name] for name in config.block_ids]
    todo = [
        block
        for block in blocks
        if not is_measured(FidelityFiles(args.results, block.id), make_claim(config, block, args.results))
    ]
    if todo:
        from aurorascope.measures.fidelity.measure import measure

        measure(config, todo, args.results)
