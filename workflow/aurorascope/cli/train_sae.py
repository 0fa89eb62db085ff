"""Train the SAE of one block and write its weights, golden vectors, SAELens folder, log and record."""

import argparse
from pathlib import Path

from aurorascope.activations.feed import open_feed
from aurorascope.activations.opening import open_reader
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
    reader = open_reader(args.manifest, config, device)
    feed = open_feed(reader, device)
    trained = train(feed, block, config.sae)
    made = provenance(device, config.compute.threads)
    if reader.recomputed_on:
        made["activations_recomputed_on"] = reader.recomputed_on
    write_json(SaeFiles(args.results, block.id).provenance, made)
    export(config, block, trained, feed, args.results)
