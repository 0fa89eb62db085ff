"""Train the SAE of one block and write its weights, golden vectors, SAELens folder, log and record."""

import argparse
from pathlib import Path

from aurorascope.activations.feed import StoreReader, open_feed
from aurorascope.backbone.device import make_repeatable, pick_device
from aurorascope.blocks import BLOCK_IDS, BY_ID
from aurorascope.config import Config
from aurorascope.files import write_json
from aurorascope.provenance import provenance
from aurorascope.training.engine import train
from aurorascope.training.export import SaeFiles, export


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest of the training activations")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    """Train and export."""
    make_repeatable(config.compute.threads)
    device, block = pick_device(config.aurora.device), BY_ID[args.block]
    feed = open_feed(StoreReader(args.manifest), device)
    trained = train(feed, block, config.sae)
    write_json(SaeFiles(args.results, block.id).provenance, provenance(device, config.compute.threads))
    export(config, block, trained, feed, args.results)
