"""Edit features of blocks while Aurora runs.

    with intervene(model, {"encoder_s1_b5": sae}, [Ablate([7, 190])], where=Disk(52, -78, km=1500) & Levels("surface")) as log:
        forecast = model(batch)
    log.table()

A block's output x becomes x + (h' - h) @ W_dec, with h its features and h' those after the edits: what the SAE does not explain of x
stays, and a token whose features do not change keeps its bits.
"""

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.backbone.batch import load_batch
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.blocks import Block
from aurorascope.errors import UserError
from aurorascope.interventions.apply import apply_edits
from aurorascope.interventions.block_edits import BlockEdits, OneEdit
from aurorascope.interventions.edit_base import Edit
from aurorascope.interventions.edits import Donor
from aurorascope.interventions.log import Log
from aurorascope.interventions.places import Place
from aurorascope.interventions.regions import Everywhere, Region
from aurorascope.interventions.sites import check_saes, find_block
from aurorascope.sae.aurora_sae import AuroraSAE


@contextlib.contextmanager
def intervene(
    model: AuroraAirPollution, saes: Mapping[str, AuroraSAE], edits: Edit | Sequence[Edit], where: Region | None = None,
    steps: Iterable[int] | None = None,
) -> Iterator[Log]:
    """Edit features in all forwards inside the `with`, of `model(batch)` or of `aurora.rollout`.

    Edits of one block are made in the order given, each on what the one before left. Later blocks see what edits of earlier ones
    brought about. Edits without a dose of their own are made once over; on leaving, edits that touched no token are warned of, and
    changes of more than a token's norm.

    Args:
        model: the model, in eval mode.
        saes: SAEs by block id.
        edits: one or several; where there are several SAEs, each edit names its block.
        where: region of all edits; None for everywhere. One of an edit's own lies inside it.
        steps: steps of a rollout that are edited, 0 for the first: `batch.metadata.rollout_step` of the forward's input. None for all.

    Yields:
        The log, filled as forwards run.

    Raises:
        UserError: an unknown block or feature, another SAE than the block's, an edit that lacks something; at the first forward,
            before Aurora computes anything, a region that no token of the block lies in, or a reference, label or donor on another
            grid; in a forward, a change of more than 10 times a token's norm. Hooks are gone after any of them.
    """
    wanted = _steps_of(steps)
    sites = _sites(check_saes(model, saes), _listed(edits), where)
    _fetch_donors(model, sites)
    log, now = Log(), _Now()

    def begin(_module: torch.nn.Module, args: tuple[Any, ...]) -> None:
        # The model itself is no place for a hook: a rollout calls its `forward`. Its encoder is called with the batch.
        metadata = args[0].metadata
        for site in sites:
            site.prepare(metadata.lat.cpu().numpy(), metadata.lon.cpu().numpy())
        now.step = metadata.rollout_step
        log.steps.append(now.step)

    def editing(site: BlockEdits) -> Callable[..., torch.Tensor | None]:
        def fired(_module: torch.nn.Module, _args: tuple[Any, ...], output: torch.Tensor) -> torch.Tensor | None:
            if now.step is None:
                raise ValueError("a block ran before the encoder; Aurora's structure has changed")
            if wanted is not None and now.step not in wanted:
                return None
            # Aurora's autocast would also take hold of the products here.
            with torch.autocast(output.device.type, enabled=False):
                return apply_edits(site, output, now.step, log)

        return fired

    handles = []
    try:
        handles.append(model.encoder.register_forward_pre_hook(begin))
        handles += [site.block.module(model).register_forward_hook(editing(site)) for site in sites]
        yield log
    finally:
        for handle in handles:
            handle.remove()
    # Above this line are the generator's own frame and contextlib's.
    log.warn(((one.place, one.edit.name, site.block.id) for site in sites for one in site.edits), stacklevel=3)


class _Now:
    """The forward that runs."""

    step: int | None = None


def _steps_of(steps: Iterable[int] | None) -> frozenset[int] | None:
    if steps is None:
        return None
    if not isinstance(steps, Iterable) or isinstance(steps, str):
        raise UserError("intervene, steps", "a set of steps such as {0}, or None", repr(steps), "give a set")
    found = frozenset(steps)
    if not found or not all(isinstance(step, int) and step >= 0 for step in found):
        raise UserError("intervene, steps", "steps from 0", repr(set(found)) if found else "none", "give a set such as {0}")
    return found


def _listed(edits: Any) -> list[Any]:
    """One edit or several as a list; of text, whose letters are no edits, as it is."""
    return list(edits) if isinstance(edits, Iterable) and not isinstance(edits, str) else [edits]


def _sites(saes: dict[Block, AuroraSAE], edits: list[Edit], where: Region | None) -> list[BlockEdits]:
    """The blocks that are edited, in forward order."""
    if not edits:
        raise UserError("intervene, edits", "at least one edit", "none", "give edits, such as [Ablate(7)]")
    if not (where is None or isinstance(where, Region)):
        raise UserError("intervene, where", "a region", repr(where), "give a region, such as Disk(52, -78, km=1500)")
    by_block: dict[Block, list[tuple[int, Edit, Region]]] = {block: [] for block in saes}
    for place, edit in enumerate(edits):
        if not isinstance(edit, Edit):
            raise UserError("intervene, edits", "edits", repr(edit)[:80], "give edits, such as [Ablate(7)]")
        by_block[_block_of(edit, saes)].append((place, edit, _region(where, edit.where)))
    return [BlockEdits(block, saes[block], found) for block, found in by_block.items() if found]


def _block_of(edit: Edit, saes: dict[Block, AuroraSAE]) -> Block:
    names = ", ".join(block.id for block in saes)
    if edit.block is None:
        if len(saes) > 1:
            raise UserError(f"{edit.name}, block", f"one of {names}", "none", f'say which: {edit.name}(…, block="{next(iter(saes)).id}")')
        return next(iter(saes))
    block = find_block(f"{edit.name}, block", edit.block)
    if block not in saes:
        raise UserError(f"{edit.name}, block", f"one of {names}", edit.block, "give the SAE of that block, too")
    return block


def _region(first: Region | None, second: Region | None) -> Region:
    given = [region for region in (first, second) if region is not None]
    return given[0] & given[1] if len(given) == 2 else given[0] if given else Everywhere()


def _fetch_donors(model: AuroraAirPollution, sites: list[BlockEdits]) -> None:
    """Give each `Donor` the output that it takes values from."""
    for site in sites:
        for one in site.edits:
            if not isinstance(one.edit, Donor):
                continue
            source = one.edit.source
            if isinstance(source, str | Batch):
                batch = load_batch(source) if isinstance(source, str) else source
                give = functools.partial(_give, site, one, Place.of_batch(site.block, batch))
                run_to_blocks(model, batch, [site.block], give)
            else:
                site.give_donor(one, None, torch.as_tensor(source))


def _give(site: BlockEdits, one: OneEdit, place: Place, _block: Block, x_nd: torch.Tensor) -> None:
    site.give_donor(one, place, x_nd)
