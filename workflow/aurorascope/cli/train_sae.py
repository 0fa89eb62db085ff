"""Train the SAE of one block and write its weights, golden vectors, SAELens folder, log and record."""

import argparse
from pathlib import Path

import torch

from aurorascope.activations.feed import open_feed
from aurorascope.activations.manifest import absence, read_manifest
from aurorascope.activations.opening import open_reader
from aurorascope.activations.paths import StorePaths
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
from aurorascope.training.finished import CHECKPOINT, is_finished, make_claim


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--block", required=True, choices=BLOCK_IDS, metavar="BLOCK")
    parser.add_argument("--manifest", required=True, type=Path, help="manifest of the training activations")
    parser.add_argument("--results", required=True, type=Path, help="the results folder")


def run(args: argparse.Namespace, config: Config) -> None:
    """Train, or take up what an earlier run left, and export."""
    make_repeatable(config.compute)
    block, scratch = BY_ID[args.block], args.results / "scratch"
    folder = scratch / "training" / block.id
    device = _device(config, args.manifest, block.id, folder / CHECKPOINT)
    reader = open_reader(args.manifest, config, device)
    with folder_lock(folder):
        files = SaeFiles(args.results, block.id)
        files.sweep()
        checkpoint = Checkpoint(folder, block.id, stage_digest(config, "train_sae"), reader.manifest["sha256"])
        area_n = cell_areas(config.sae, block, scratch)
        trainer, made = engine.prepare(reader, block, config.sae, device, checkpoint, area_n), provenance(device, config.compute)
        made["device"] = trainer.trained_on
        # What `train_together` has finished needs no activations but the golden rows.
        if not trainer.is_done:
            saver = Saver(checkpoint, config.sae.checkpoint_minutes)
            made.update(engine.run(trainer, open_feed(reader, device, config.sae.shuffle == "rows"), saver))
        trained = engine.conclude(trainer)
        if reader.recomputed_on:
            made["activations_recomputed_on"] = reader.recomputed_on
        write_json(files.provenance, made)
        export(config, block, trained, reader, args.results)
        checkpoint.remove()


def _device(config: Config, manifest: Path, block_id: str, checkpoint: Path) -> torch.device:
    """The configured one; the CPU where only the export is left, whose job has asked for no GPU and must not take one."""
    claim = make_claim(block_id, stage_digest(config, "train_sae"), read_manifest(manifest)["sha256"])
    if absence(StorePaths(manifest.parent)) is None and is_finished(checkpoint, claim):
        return torch.device("cpu")
    return pick_device(config.aurora.device)
