"""Dump: run Aurora over a split's snapshots and fill the stores of one block, or of many from the same forwards."""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from aurorascope.activations.claim import make_claim
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.space import check_space
from aurorascope.activations.verify import is_complete
from aurorascope.activations.writer import StoreWriter
from aurorascope.backbone.batch import snapshot_batch
from aurorascope.backbone.device import make_repeatable, pick_device
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.backbone.model import load_model
from aurorascope.backbone.static import load_static
from aurorascope.blocks import Block
from aurorascope.config.model import Config
from aurorascope.files import read_record, write_json
from aurorascope.progress import Progress
from aurorascope.provenance import provenance
from aurorascope.tokens import token_grid

_LOG = logging.getLogger(__name__)


def fill(config: Config, blocks: Sequence[Block], split: str, scratch: Path) -> None:
    """Fill the unfinished stores among `blocks` for one split, one forward a snapshot, stopping after the deepest.

    Leaves `complete.json` in each store; the manifests are the dump jobs' to write. Snapshots already there are not
    computed again. The bytes do not depend on which blocks are filled together.

    Raises:
        UserError: inputs are missing, the stores do not fit on the disk, another process is writing one of them, or
            activations are not finite.
    """
    check_space(config, blocks, [split], scratch)
    states = read_record(scratch / "states" / f"{split}.json", "states")
    with contextlib.ExitStack() as stack:
        writers: dict[Block, StoreWriter] = {}
        for block in blocks:
            claim, paths = make_claim(config, block, split, scratch), StorePaths.of(scratch, block.id, split)
            stack.enter_context(paths.locked())
            if not is_complete(paths, claim):
                writers[block] = StoreWriter(paths, claim, token_grid(block, states["latitude"], states["longitude"]))
        if writers:
            _run(config, writers, states["snapshots"], scratch, split)


def _run(
    config: Config, writers: dict[Block, StoreWriter], snapshots: list[dict[str, str]], scratch: Path, split: str
) -> None:
    make_repeatable(config.compute.threads)
    device = pick_device(config.aurora.device)
    todo = sorted(set().union(*(writer.missing for writer in writers.values())))
    if todo:
        model = load_model(
            scratch / "checkpoint" / "checkpoint.json", autocast=config.aurora.autocast, device=device
        )
        static = load_static(scratch / "static" / "static.json")
        what = f"Dumping {len(writers)} block{'s' if len(writers) > 1 else ''}, {split}"
        progress = Progress(what, len(todo), "snapshot")
        for index in todo:
            wanted = [block for block, writer in writers.items() if index in writer.missing]

            def receive(block: Block, tokens_nd: torch.Tensor, index: int = index) -> None:
                writers[block].add(index, tokens_nd.cpu().numpy())

            batch = snapshot_batch(scratch, snapshots[index]["time"], snapshots[index]["previous"], static)
            run_to_blocks(model, batch.to(device), wanted, receive)
            progress.step()
        progress.close()
    made = provenance(device, config.compute.threads)
    for writer in writers.values():
        writer.finish()
        write_json(writer.paths.provenance, made)
