"""What the attributions in `outcomes/` cost, for the plan, from their files alone. Nothing heavy is imported here.

A backward pass is counted as two forwards of what it goes through. By the rule `gradient` each date has one of both through all wanted
blocks; by `midpoint` each block has them at each midpoint, from that block on, and one more forward, of its position mean. Ablations go on
from their block. Each quiet date has a forward to the deepest block. Each date of either kind is encoded once a block, and gradients are
projected on each decoder once a date, as much as an encoding. Aurora's decoder of the atmosphere, which is not counted in the plan's
forwards either, is left out.
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
from aurorascope.costs.rows import NOT_COUNTED, OtherCost, there
from aurorascope.costs.stores import n_tokens
from aurorascope.errors import UserError
from aurorascope.files import find_record
from aurorascope.studies.written import AskedFile
from aurorascope.units import duration, figure, size

BACKWARD = 2
"""Forwards that a backward pass is counted as."""
_ENTRY_BYTES, _TOKEN_BYTES = 8, 4
"""Of a feature that is on, its number and value; and of a token, how many are. Position means are float32."""
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
        kept: bytes of codes and means of the quiet dates.
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
    passes = n_dates * n * needs.points if needs.points else n_dates
    n_forwards = n_quiet + n_dates * (1 + n * needs.exact) + (passes + n_dates * n if needs.points else 0)
    whole = n_quiet * forward[blocks[-1]] / last + n_dates * (1 + needs.exact * sum(after))
    whole += n_dates * ((needs.points * (1 + BACKWARD) + 1) * sum(after) if needs.points else BACKWARD * after[0])
    flop = kept = 0.0
    for block in blocks:
        tokens, width = n_tokens(BY_ID[block], grid), BY_ID[block].width(config.aurora.embed_dim)
        flop += (n_quiet + 2 * n_dates) * sae_flop(tokens, width, width * config.sae.expansion, 1)
        entries = tokens * min(config.sae.target_l0 or _L0, width * config.sae.expansion)
        kept += n_quiet * (entries * _ENTRY_BYTES + tokens * _TOKEN_BYTES) + tokens * width * 4
    return AttributionCost(n_forwards, passes, (n_quiet + n_dates) * n, whole, flop, kept)


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
    rows, flop, kept, n_done = [], 0.0, 0.0, 0
    for name in names:
        try:
            file = read_outcome_file(name, folder)
            needs = needs_of(file, config.cams)
            check_planned(file, config)
        except UserError as error:
            rows.append((name, NOT_COUNTED, error.one_line()))
            continue
        blocks = needs.blocks or config.block_ids
        left = [block for block in blocks if results is None or not _is_there(config, file, needs, block, results)]
        n_done += len(blocks) - len(left)
        cost, remaining = (attribution_cost(needs, each, config, grid) for each in (blocks, left))
        flop, kept = flop + remaining.whole * last + remaining.flop, kept + remaining.kept
        value = f"{cost.n_forwards:,} forwards, {cost.n_backwards:,} backward passes, {cost.n_encoded:,} encodings"
        rows.append((name, value, f"derived; {_words(needs, len(blocks), len(left), cost)}"))
    hours = stage(flop, 0, config.plan).compute
    rows.append(("on disk, still to be written", size(kept), "codes of quiet dates; outcomes with the same quiet dates share them"))
    rows.append(("time left", duration(hours), f"at {config.plan.tflops:g} TFLOP/s (plan.tflops)"))
    title = f"Attributions, with the target `attributions` alone (not counted above or below); {there(n_done, 'attributions')}"
    return [OtherCost(title, tuple(rows))]


def _words(needs: Needs, n_blocks: int, n_left: int, cost: AttributionCost) -> str:
    counts = [(len(needs.dates), "date"), (len(needs.quiet_dates), "quiet date"), (n_blocks, "block")]
    words = [f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts]
    rule = f"rule {needs.rule}" + (f" with {needs.points} points" if needs.points else "")
    here = "" if n_left == n_blocks else "; already there" if not n_left else f"; {n_blocks - n_left} blocks already there"
    return f"{', '.join(words)}, {rule}, {needs.exact} ablations a block; in all {figure(cost.whole)} whole forwards{here}"


def _is_there(config: Config, file: AskedFile, needs: Needs, block: str, results: Path) -> bool:
    record = find_record(KIND.where(results, outcome=file.name, block=block), KIND.name)
    if record is None:
        return False
    expected = {
        "asked": asked_of(file), "hour": needs.hour, "quiet_dates": list(needs.quiet_dates), "config_sha256": stage_digest(config, "attribute"),
    }
    return all(record.get(key) == value for key, value in expected.items())
