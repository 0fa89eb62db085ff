"""What the attributions in `outcomes/` cost, for the plan, from their files alone. Nothing heavy is imported here.

A backward pass is counted as three forwards of what it goes through, since blocks run once more for it. By the rule `gradient` each date
has one forward, and a backward pass down to the first wanted block; by `relevance` both take `RELEVANCE` times as long. By `midpoint` each
date has a clean forward and what goes on from it block by block, and each block a forward and a backward pass at each midpoint, from that
block on. Exact ablations have the same clean forward once more, and each block a forward an ablation and one with all of it at its position
mean. Each quiet date has a forward to the deepest block. Each quiet date is encoded once a block, each other date too, and once more for
ablations, and gradients are projected on each decoder once a date, as much as an encoding.
Aurora's decoder of the atmosphere, which is not counted in the plan's forwards either, is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aurorascope.attribution.claim import KIND, asked_of
from aurorascope.attribution.needs import Needs, needs_of
from aurorascope.attribution.outcome_file import FOLDER, outcome_names, read_outcome_file
from aurorascope.attribution.planned import check_planned
from aurorascope.blocks import BLOCKS, BY_ID
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.costs.flops import forward_flops, sae_flop
from aurorascope.costs.hours import stage
from aurorascope.costs.rows import FileCost, OtherCost, count_files, is_there, there
from aurorascope.costs.stores import n_tokens
from aurorascope.studies.written import AskedFile
from aurorascope.units import duration, figure, size

BACKWARD = 3
"""Forwards that a backward pass is counted as."""
RELEVANCE = 1.3
"""Times as long as by `gradient`, of a forward and its backward pass that hold scales constant (docs/attribution.md, "What is computed")."""
_ENTRY_BYTES, _TOKEN_BYTES, _VALUE_BYTES = 8, 8, 4
"""Of a feature's position mean, with its number; of where a token's entries end; and of an output's position mean."""
# Features that are on at a token, where nothing says how many will be: twice what the published settings aim at.
_L0 = 128


@dataclass(frozen=True)
class AttributionCost:
    """What attributions of an outcome to some blocks cost.

    Attributes:
        n_forwards: forwards, whole ones and those that go on from a block.
        n_backwards: backward passes.
        n_encoded: snapshots of a block that are encoded.
        whole: what forwards and backward passes take, in whole forwards.
        flop: of encodings and projections.
        kept: bytes of the position means that stay on disk, at most.
    """

    n_forwards: int
    n_backwards: int
    n_encoded: int
    whole: float
    flop: float
    kept: float


def attribution_cost(needs: Needs, blocks: Sequence[str], config: Config, grid: tuple[int, int]) -> AttributionCost:
    """What attributions of an outcome to blocks cost that are made together.

    Args:
        needs: what its file asks for.
        blocks: ids in forward order; with none, nothing costs anything.
        config: the configuration.
        grid: rows and columns of the states.
    """
    if not blocks:
        return AttributionCost(0, 0, 0, 0.0, 0.0, 0.0)
    forward = forward_flops(grid, len(config.cams.levels), config.aurora.embed_dim)
    last, n_dates, n_quiet, n = forward[BLOCKS[-1].id], len(needs.dates), len(needs.quiet_dates), len(blocks)
    after = [1 - forward[block] / last for block in blocks]
    n_checks = needs.exact + 1 if needs.exact or needs.points else 0
    n_passes = n * needs.points if needs.points else 1
    n_clean = bool(needs.points) + bool(n_checks)
    n_forwards = n_quiet + n_dates * (n_clean + n_passes + n * n_checks)
    # Clean ones come block by block from the first to the last.
    date = n_clean * (1 + after[0] - after[-1]) + n_checks * sum(after)
    once = (RELEVANCE if needs.rule == "relevance" else 1) * (1 + BACKWARD * after[0])
    date += needs.points * (1 + BACKWARD) * sum(after) if needs.points else once
    whole = n_quiet * forward[blocks[-1]] / last + n_dates * date
    flop = kept = 0.0
    n_encoded = n_quiet + n_dates * (2 if n_checks else 1)
    for block in blocks:
        tokens, width = n_tokens(BY_ID[block], grid), BY_ID[block].width(config.aurora.embed_dim)
        flop += (n_encoded + n_dates) * sae_flop(tokens, width, width * config.sae.expansion, 1)
        # As if no feature were on at the same token on two dates.
        entries = min(n_quiet * (config.sae.target_l0 or _L0), width * config.sae.expansion)
        kept += tokens * (entries * _ENTRY_BYTES + _TOKEN_BYTES + width * _VALUE_BYTES)
    return AttributionCost(n_forwards, n_dates * n_passes, n_encoded * n, whole, flop, kept)


def attributions_cost(config: Config, grid: tuple[int, int], results: Path | None, folder: Path = FOLDER) -> list[OtherCost]:
    """The plan's section on attributions; none where there is no file.

    Args:
        config: the configuration.
        grid: rows and columns of the states.
        results: the results folder, whose attributions are counted as there; None where it holds another run.
        folder: of outcomes' files.
    """
    names = outcome_names(folder)
    if not names:
        return []
    last = forward_flops(grid, len(config.cams.levels), config.aurora.embed_dim)[BLOCKS[-1].id]

    def count(name: str) -> FileCost:
        file = read_outcome_file(name, folder)
        needs = needs_of(file, config.cams)
        check_planned(file, config)
        blocks = needs.blocks or config.block_ids
        left = [block for block in blocks if results is None or not _is_there(config, file, needs, block, results)]
        cost, remaining = (attribution_cost(needs, each, config, grid) for each in (blocks, left))
        backwards = f"{cost.n_backwards:,} backward pass{'' if cost.n_backwards == 1 else 'es'}"
        value = f"{cost.n_forwards:,} forwards, {backwards}, {cost.n_encoded:,} encodings"
        words = f"derived; {_words(needs, len(blocks), len(left), cost)}"
        return FileCost(value, words, len(blocks) - len(left), remaining.whole * last + remaining.flop, remaining.kept)

    rows, found = count_files(names, count)
    kept, hours = sum(each.kept for each in found), stage(sum(each.left for each in found), 0, config.plan).compute
    rows.append(("on disk, still to be written", size(kept), "at most: position means; outcomes with the same quiet dates share them"))
    rows.append(("time left", duration(hours), f"at {config.plan.tflops:g} TFLOP/s (plan.tflops)"))
    n_done = there(sum(each.n_done for each in found), "attributions")
    return [OtherCost(f"Attributions, with the target `attributions` alone (not counted above or below); {n_done}", tuple(rows))]


def _words(needs: Needs, n_blocks: int, n_left: int, cost: AttributionCost) -> str:
    counts = [(len(needs.dates), "date"), (len(needs.quiet_dates), "quiet date"), (n_blocks, "block")]
    words = [f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts]
    rule = f"rule {needs.rule}" + (f" with {needs.points} points" if needs.points else "")
    here = "" if n_left == n_blocks else "; already there" if not n_left else f"; {n_blocks - n_left} blocks already there"
    return f"{', '.join(words)}, {rule}, {needs.exact} ablations a block; in all {figure(cost.whole)} whole forwards{here}"


def _is_there(config: Config, file: AskedFile, needs: Needs, block: str, results: Path) -> bool:
    return is_there(KIND, KIND.where(results, outcome=file.name, block=block), {
        "asked": asked_of(file), "hour": needs.hour, "quiet_dates": list(needs.quiet_dates), "config_sha256": stage_digest(config, "attribute"),
    })
