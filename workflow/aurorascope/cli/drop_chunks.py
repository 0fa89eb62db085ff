"""Delete the activations of one block whose SAE is trained, evaluated and drawn; keep what is small."""

import argparse
from pathlib import Path

from aurorascope.activations.drop import drop_chunks
from aurorascope.blocks import BLOCK_IDS
from aurorascope.config import Config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--scratch", required=True, type=Path, help="the scratch folder")
    parser.add_argument("--record", required=True, type=Path, help="record to write")


def run(args: argparse.Namespace, config: Config) -> None:
    drop_chunks(args.block, args.scratch, args.record)
