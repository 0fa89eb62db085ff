"""What the matches of a run cost, for the plan, from the configuration alone. Nothing heavy is imported here.

Times of matching, cosines included, are those of random directions on one core, at 1,024 to 16,384 features (docs/benchmarks.md, "Matches
of features"); of trained dictionaries it takes less. Chance is matched once more.
"""

import math
from itertools import pairwise
from pathlib import Path

from aurorascope.config.made import is_current
from aurorascope.config.model import Config
from aurorascope.costs.estimate import BlockCost, Estimate
from aurorascope.costs.flops import sae_flop
from aurorascope.costs.hours import stage
from aurorascope.costs.rows import OtherCost, there
from aurorascope.matching.pair import COSINE, Pair
from aurorascope.measures.stability.formulas import MOST_MATCHED
from aurorascope.records import KINDS
from aurorascope.units import duration, size

_MOST_S, _AT, _POWER = 76.0, 16_384, 2.5
# Of two features: their score, and scipy's copy; across stages sums, their means, those of other dates, the score, and scipy's copy.
_BYTES, _BYTES_OF_CODES = 16, 40


def matching_seconds(n_a: int, n_b: int) -> float:
    """Time of matching so many features with so many, at most."""
    return _MOST_S * (math.sqrt(n_a * n_b) / _AT) ** _POWER


def matches_cost(config: Config, e: Estimate, results: Path | None) -> list[OtherCost]:
    """The plan's section on matches of each block with the next; none where there is one block alone.

    Args:
        config: the configuration.
        e: of the run.
        results: the results folder, whose matches are counted as there; None where it holds another run.
    """
    costs = {cost.block.id: cost for cost in e.blocks}
    pairs = [Pair(a, b) for a, b in pairwise(config.block_ids)]
    if not pairs:
        return []
    kind = KINDS["match"]
    left = [pair for pair in pairs if results is None or not is_current(config, kind, kind.where(results, a=pair.a, b=pair.b))]
    flop = moved = seconds = 0.0
    for pair in left:
        a, b = costs[pair.a], costs[pair.b]
        seconds += 2 * matching_seconds(a.latents, b.latents)
        of_pair = _flop(e, a, b, pair.how)
        flop, moved = flop + of_pair[0], moved + of_pair[1]
    largest = max(_bytes(costs[pair.a], costs[pair.b], pair.how) for pair in pairs)
    most = max(cost.latents for cost in e.blocks)
    time, n_cosine = stage(flop, moved, config.plan), sum(pair.how == COSINE for pair in pairs)
    kinds = f"{n_cosine} by directions, {len(pairs) - n_cosine} by what features do on held-out dates"
    basis = f"matching {duration(seconds / 3600)} on one core, measured; encoding at {config.plan.tflops:g} TFLOP/s (plan.tflops), "
    basis += f"reading at {config.plan.disk_mb_s:g} MB/s (plan.disk_mb_s), without loading"
    rows = [
        ("each block with the next", f"{len(pairs)} pairs", f"derived; {kinds}"),
        ("memory of the largest pair", size(largest), "derived; for its scores"),
        ("time left", duration(seconds / 3600 + max(time.compute, time.disk)), basis),
    ]
    if most > MOST_MATCHED:
        rows.append(("not matched", f"{most:,} features", f"derived; more than {MOST_MATCHED:,} that are on cannot be matched"))
    title = f"Matches of features, with the target `matches` alone (not counted above or below); {there(len(pairs) - len(left), 'pairs')}"
    return [OtherCost(title, tuple(rows))]


def _flop(e: Estimate, a: BlockCost, b: BlockCost, how: str) -> tuple[float, float]:
    """Operations, and bytes that are read, beside matching: across stages held-out tokens are encoded, and means multiplied."""
    if how == COSINE:
        return 0.0, 0.0
    n, places = e.n_snapshots["held_out"], math.prod(min((a.shape, b.shape), key=math.prod))
    encoding = sum(n * sae_flop(math.prod(each.shape), each.width, each.latents, 1) for each in (a, b))
    again = n * max(a.forward_flop, b.forward_flop) if e.is_live else 0
    return encoding + again + 4.0 * places * a.latents * b.latents, 0.0 if e.is_live else n * (a.snapshot_bytes + b.snapshot_bytes)


def _bytes(a: BlockCost, b: BlockCost, how: str) -> float:
    return (_BYTES if how == COSINE else _BYTES_OF_CODES) * a.latents * b.latents
