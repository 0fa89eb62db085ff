"""Train the SAE of one block and write its weights, golden vectors, SAELens folder, log and record."""

import argparse
from pathlib import Path

from aurorascope.activations.feed import open_feed
from aurorascope.activations.opening import open_reader
from aurorascope.backbone.device import make_repeatable, pick_device
from aurorascope.blocks import BLOCK_IDS, BY_ID
from aurorascope.config import Config
from aurorascope.config.stages import stage_digest
from aurorascope.files import write_json
from aurorascope.locks import folder_lock
from aurorascope.provenance import provenance
from aurorascope.training import engine
from aurorascope.training.areas import cell_areas
from aurorascope.training.checkpoint import Checkpoint
from aurorascope.training.engine import Saver
from aurorascope.training.export import SaeFiles, export


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest of the training activations")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    """Train, or take up what an earlier run left, and export."""
    make_repeatable(config.compute.threads)
    device, block = pick_device(config.aurora.device), BY_ID[args.block]
    scratch = args.results / "scratch"
    reader = open_reader(args.manifest, config, device)
    folder = scratch / "training" / block.id
    with folder_lock(folder):
        checkpoint = Checkpoint(folder, block.id, stage_digest(config, "train_sae"), reader.manifest["sha256"])
        area_n = cell_areas(config.sae, block, scratch)
        trainer, made = engine.prepare(reader, block, config.sae, device, checkpoint, area_n), provenance(device, config.compute.threads)
        made["device"] = trainer.trained_on
        # What `train_together` has finished needs no activations but the golden rows.
        if not trainer.is_done:
            saver = Saver(checkpoint, config.sae.checkpoint_minutes)
            made.update(engine.run(trainer, open_feed(reader, device, config.sae.shuffle == "rows"), saver))
        trained = engine.conclude(trainer)
        if reader.recomputed_on:
            made["activations_recomputed_on"] = reader.recomputed_on
        write_json(SaeFiles(args.results, block.id).provenance, made)
        export(config, block, trained, reader, args.results)
        checkpoint.remove()
