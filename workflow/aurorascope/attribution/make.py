"""Attribute the outcome of a file to the features of blocks; a job that was killed goes on with the date and block that it was at."""

import contextlib
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from aurorascope.attribution.claim import make_claim
from aurorascope.attribution.entries import Coding
from aurorascope.attribution.graphs import computes_again
from aurorascope.attribution.needs import Needs, needs_of
from aurorascope.attribution.outcome_file import FOLDER, naming, read_outcome_file
from aurorascope.attribution.parts import Parts
from aurorascope.attribution.passes import Passes
from aurorascope.attribution.quiet import make_usual
from aurorascope.attribution.record import summary_of, table_of
from aurorascope.attribution.target import read_target
from aurorascope.attribution.usual import UsualFile
from aurorascope.attribution.value import Value
from aurorascope.attribution.write import write_attribution
from aurorascope.backbone.model import load_model
from aurorascope.backbone.static import load_static
from aurorascope.blocks import Block
from aurorascope.config.model import Config
from aurorascope.files import sha256_json
from aurorascope.interventions.sites import check_saes
from aurorascope.locks import folder_lock
from aurorascope.records import KINDS
from aurorascope.sae.opening import open_sae
from aurorascope.studies.claim import previous
from aurorascope.studies.inputs import Batches, made_with

_LOG = logging.getLogger(__name__)
# Inputs in memory: several passes ask for each.
_KEPT = 16


def make_attributions(
    config: Config, name: str, block_ids: Sequence[str], results: Path, device: torch.device, folder: Path = FOLDER,
    places: Mapping[str, Path] | None = None, made: Callable[[str], None] | None = None,
) -> None:
    """Attribute the outcome `folder/<name>.yaml` to the features of blocks and write `attribution/<name>/<block>.{parquet,json}`.

    All blocks are served by the same passes; a block made alone has the same bytes.

    Args:
        config: the configuration.
        name: of the outcome.
        block_ids: blocks.
        results: the results folder, with checkpoint, static fields, SAEs, states and labels.
        device: where Aurora runs.
        folder: of outcomes' files.
        places: by block the folder that takes the place of `results` for what is written; `results` where there is none.
        made: called with each block once its record is written.

    Raises:
        UserError: the file is wrong, or a result that it needs is missing, damaged or of another run; before any forward.
        TryAgainError: another process attributes this outcome to one of the blocks.
    """
    file = read_outcome_file(name, folder)
    needs = needs_of(file, config.cams)
    outcome = read_target(file)
    claims = {block: make_claim(config, file, needs, block, results) for block in block_ids}
    scratch = results / "scratch" / "attribution"
    works = {block: scratch / "parts" / name / block for block in block_ids}
    with contextlib.ExitStack() as held:
        for work in works.values():
            held.enter_context(folder_lock(work))
        model = load_model(KINDS["checkpoint"].where(results), autocast=config.aurora.autocast, device=device)
        saes = check_saes(model, {block: open_sae(KINDS["sae"].where(results, block=block))[0] for block in block_ids})
        static, with_what = load_static(KINDS["static"].where(results)), made_with(device)
        batches, quiet = (
            Batches(results / "scratch", {date: needs.time(date) for date in dates}, static, device, kept)
            for dates, kept in ((needs.dates, _KEPT), (needs.quiet_dates, 1))
        )
        labels = results / "scratch" / "labels" if needs.has_labels else None
        grid = tuple(map(int, batches[needs.dates[0]].spatial_shape))
        # One backward serves all blocks, with the outputs of all at hand; each midpoint has one of its own, whose time counts.
        if not needs.points or computes_again(next(iter(saes)), grid, model.backbone.embed_dim):
            model.configure_activation_checkpointing()
        with naming(file.path):
            for date in needs.dates:
                Value(outcome, batches[date], labels)
        files = {block: usual_file(scratch, works[block.id], needs, claims[block.id], with_what) for block in saes}
        usual = make_usual(model, saes, quiet, needs.quiet_dates, files)
        parts = {block: Parts(works[block.id], sha256_json({**claims[block.id], "made_with": with_what})) for block in saes}
        _say_kept(parts)
        with naming(file.path):
            passes = Passes(model, saes, usual, batches, needs, lambda date: Value(outcome, batches[date], labels), parts)
            passes.find_effects()
            features = passes.strongest()
            passes.check(features)
        for block, sae in saes.items():
            found = needs.dates, parts[block].effects, features[block], parts[block].checks
            summary = {**claims[block.id], **summary_of(*found)}
            write_attribution((places or {}).get(block.id, results), summary, table_of(Coding.of(sae), *found))
            _LOG.info("%s: %s", block.id, summary["word"])
            shutil.rmtree(works[block.id], ignore_errors=True)
            if made is not None:
                made(block.id)


def usual_file(scratch: Path, work: Path, needs: Needs, claim: Mapping[str, Any], with_what: Mapping[str, str]) -> UsualFile:
    """The file of a block's position means, under a digest of all that they depend on; other outcomes find it."""
    made_from = ("block", "hour", "quiet_dates", "sae_sha256", "checkpoint_sha256", "static_sha256", "config_sha256")
    times = [time for date in needs.quiet_dates for time in (needs.time(date), previous(needs.time(date)))]
    content = {
        **{key: claim[key] for key in made_from}, "states_sha256": {time: claim["states_sha256"][time] for time in times},
        "made_with": with_what,
    }
    digest = sha256_json(content)
    means, sums = scratch / "usual" / claim["block"] / digest / "means.safetensors", work / f"{digest}.safetensors"
    return UsualFile(means, sums, len(needs.quiet_dates))


def _say_kept(parts: Mapping[Block, Parts]) -> None:
    n = sum(len(each.effects) + len(each.checks) for each in parts.values())
    if n:
        _LOG.info("%d parts were kept by an earlier job.", n)
