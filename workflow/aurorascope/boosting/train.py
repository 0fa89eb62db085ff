"""Train the second SAE of a block on what its first one leaves out, or resume, and write its files."""

from pathlib import Path
from typing import Any

import torch

from aurorascope.activations.feed import open_feed
from aurorascope.activations.opening import open_reader
from aurorascope.activations.paths import StorePaths
from aurorascope.blocks import Block
from aurorascope.boosting.export import BoostFiles, export
from aurorascope.boosting.labels import TokenMasks
from aurorascope.boosting.reader import ResidualReader
from aurorascope.boosting.settings import boosted_sae
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.config.targets import check_target_of
from aurorascope.files import sha256_json, write_json
from aurorascope.locks import folder_lock
from aurorascope.provenance import provenance
from aurorascope.records import KINDS
from aurorascope.sae.opening import open_sae
from aurorascope.training import engine
from aurorascope.training.areas import cell_areas
from aurorascope.training.checkpoint import Checkpoint
from aurorascope.training.finished import training_folder
from aurorascope.training.sae_files import check_trained_on
from aurorascope.training.trainer import Trained
from aurorascope.training.weights import Labelled


def boost_sae(config: Config, block: Block, results: Path, device: torch.device) -> None:
    """Train a block's second SAE, from where its checkpoint left it, and write its files, the record last.

    The result is a function of the first SAE's weights, the activations, the label's masks and the configuration, whatever
    interruptions there were.

    Raises:
        UserError: first SAE and store do not belong together or are altered, a target is out of reach, no training token is under the
            label, another process trains this block's, or as of any training.
        SystemExit: status 143, after a checkpoint, when SIGTERM or Ctrl-C asked to stop.
    """
    check_target_of(config, block, boosted_sae(config), "sae.boost")
    scratch = results / "scratch"
    path, manifest = KINDS["sae"].where(results, block=block.id), StorePaths.of(scratch, block.id, "train").manifest
    first, sae = open_sae(path)
    store = open_reader(manifest, config, device)
    check_trained_on(sae, path, store.manifest, manifest)
    masks = _masks(config, block, results, [snapshot["time"] for snapshot in store.manifest["snapshots"]])
    with folder_lock(training_folder(scratch, f"boost_{block.id}")):
        files = BoostFiles(results, block.id)
        files.sweep()
        reader = ResidualReader(store, first.to(device), sae["sha256"])
        checkpoint = _checkpoint(config, block, reader, masks)
        made_with = provenance(device, config.compute)
        trained, of_steps = _run(config, block, reader, masks, checkpoint, device)
        if reader.recomputed_on:
            made_with = {**made_with, "activations_recomputed_on": reader.recomputed_on}
        write_json(files.provenance, {**made_with, **of_steps})
        export(config, sae, trained, reader, masks, files)
        checkpoint.remove()


def _masks(config: Config, block: Block, results: Path, times: list[str]) -> TokenMasks | None:
    """The label's masks of the training snapshots, some token under it; None where there is no label."""
    if config.sae.boost.label is None:
        return None
    masks = TokenMasks(results, block, config.sae.boost.label, "train", times)
    masks.check_some("training")
    return masks


def _checkpoint(config: Config, block: Block, reader: ResidualReader, masks: TokenMasks | None) -> Checkpoint:
    data = sha256_json([reader.manifest["sha256"], None if masks is None else masks.sha256])
    folder = training_folder(reader.paths.scratch, f"boost_{block.id}")
    return Checkpoint(folder, block.id, stage_digest(config, "boost_sae"), data)


def _run(
    config: Config, block: Block, reader: ResidualReader, masks: TokenMasks | None, checkpoint: Checkpoint, device: torch.device
) -> tuple[Trained, dict[str, Any]]:
    """The finished training, and what its steps were made with."""
    sae, times = boosted_sae(config), config.sae.boost.label_weight
    # With equal weights nothing is multiplied, and the bits are those without a label.
    labelled = None if masks is None or times == 1 else Labelled(masks.mask_sp, times)
    area_n = cell_areas(sae, block, reader.paths.scratch)
    trainer, made_with = engine.prepare(reader, block, sae, device, checkpoint, area_n, labelled), {}
    if not trainer.is_done:
        # A feed is bound to no name: its memory is free once the steps are done.
        made_with = engine.run(trainer, open_feed(reader, device, sae.shuffle == "rows"), engine.Saver(checkpoint, sae.checkpoint_minutes))
    return engine.conclude(trainer), {"device": trainer.trained_on, **made_with}
