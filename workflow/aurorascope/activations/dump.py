"""Dump: run Aurora over a split's snapshots and fill the stores of one block, or of many from the same forwards."""

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from aurorascope.activations.claim import make_claim
from aurorascope.activations.manifest import is_complete
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.pipeline import Pipeline
from aurorascope.activations.space import check_space
from aurorascope.activations.writer import NotFiniteError, StoreWriter
from aurorascope.backbone.batch import snapshot_batch
from aurorascope.backbone.device import make_repeatable, pick_device
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.backbone.model import load_model
from aurorascope.backbone.static import load_static
from aurorascope.blocks import Block
from aurorascope.cams.plausible import farthest
from aurorascope.cams.states import open_states
from aurorascope.config.model import Config
from aurorascope.errors import UserError
from aurorascope.files import read_record, write_json
from aurorascope.progress import Progress
from aurorascope.provenance import provenance
from aurorascope.tokens import token_grid

_LOG = logging.getLogger(__name__)


def fill(config: Config, blocks: Sequence[Block], split: str, scratch: Path) -> None:
    """Fill the unfinished stores among `blocks` for one split, one forward a snapshot, stopping after the deepest.

    Leaves `complete.json` in each store; the manifests are the dump jobs' to write. Snapshots already there are not
    computed again. The bytes do not depend on which blocks are filled together. With `activations.mode: live`, stores
    are the same but for their chunks; of those that were finished with chunks, nothing is taken away.

    Raises:
        UserError: inputs are missing, the stores do not fit on the disk, another process is writing one of them, or
            activations are not finite.
    """
    check_space(config, blocks, [split], scratch)
    states = read_record(scratch / "states" / f"{split}.json", "states")
    keep_chunks = config.activations.mode == "dump"
    with contextlib.ExitStack() as stack:
        writers: dict[Block, StoreWriter] = {}
        for block in blocks:
            claim, paths = make_claim(config, block, split, scratch), StorePaths.of(scratch, block.id, split)
            stack.enter_context(paths.locked())
            if not is_complete(paths, claim):
                grid = token_grid(block, states["latitude"], states["longitude"])
                writers[block] = StoreWriter(paths, claim, grid, keep_chunks)
        if writers:
            _fill(config, writers, states["snapshots"], scratch, split)


def _fill(
    config: Config, writers: dict[Block, StoreWriter], snapshots: list[dict[str, str]], scratch: Path, split: str
) -> None:
    make_repeatable(config.compute)
    device = pick_device(config.aurora.device)
    try:
        if any(writer.missing for writer in writers.values()):
            _compute(config, writers, snapshots, scratch, split, device)
        made = provenance(device, config.compute)
        for writer in writers.values():
            writer.finish()
            write_json(writer.paths.provenance, made)
    except BaseException:
        _save(writers)
        raise


def _save(writers: dict[Block, StoreWriter]) -> None:
    """Keep what the fill has accumulated; a disk too full for that must not hide why the fill ended."""
    for writer in writers.values():
        try:
            writer.save()
        except UserError as error:
            _LOG.warning("%s", error.one_line())


@contextlib.contextmanager
def _explained(scratch: Path, snapshots: list[dict[str, str]]) -> Iterator[None]:
    """Of activations that are not finite, say which field of which day is the likeliest cause."""
    try:
        yield
    except NotFiniteError as error:
        (times,) = [[s["previous"], s["time"]] for s in snapshots if s["time"] == error.time]
        raise UserError(
            error.where, error.expected,
            f"{error.found}; of its states the farthest from Aurora's statistics is {farthest(open_states(scratch / 'cams', times))}",
            f"look at that field of that day; if it is sound, {error.fix}",
        ) from None


def _compute(
    config: Config, writers: dict[Block, StoreWriter], snapshots: list[dict[str, str]], scratch: Path, split: str,
    device: torch.device,
) -> None:
    """One forward for each snapshot that any store lacks, written while the next one is computed."""
    model = load_model(scratch / "checkpoint" / "checkpoint.json", autocast=config.aurora.autocast, device=device)
    static = load_static(scratch / "static" / "static.json")
    missing = {block: frozenset(writer.missing) for block, writer in writers.items()}
    todo = sorted(frozenset().union(*missing.values()))
    what = f"Dumping {len(writers)} block{'s' if len(writers) > 1 else ''}, {split}"
    progress = Progress(what, len(todo), "snapshot")
    with _explained(scratch, snapshots), Pipeline(writers) as pipeline:
        for index in todo:
            wanted = [block for block in writers if index in missing[block]]

            def receive(block: Block, tokens_nd: torch.Tensor, index: int = index) -> None:
                pipeline.submit(block, index, tokens_nd)

            batch = snapshot_batch(scratch, snapshots[index]["time"], snapshots[index]["previous"], static)
            run_to_blocks(model, batch.to(device), wanted, receive)
            written = sum(writer.n_bytes for writer in writers.values()) / 1e9
            progress.step(f"{written:.2f} GB {'written' if config.activations.mode == 'dump' else 'hashed'}")
    progress.close()
