"""What the circuits in `circuits/` cost at most, for the plan, from their files alone. Nothing heavy is imported here.

Each date has its clean forecast twice, once with a graph and a backward pass through all blocks from the first one on; runs of its
faithfulness, which go on from the first block; and of each pair of blocks a forward to the later one and backward passes between them: two
for each node of the later block, one for its error, one for all of it, and one for each random feature. How many nodes there are the
attributions tell, and so the most that a file allows is counted. A backward pass counts as in attributions.
Attributions, which a circuit reads, are counted by themselves, and encodings, far fewer than theirs, not at all.
"""

from dataclasses import dataclass
from pathlib import Path

from aurorascope.attribution.costs import BACKWARD
from aurorascope.attribution.planned import check_planned
from aurorascope.blocks import BLOCKS
from aurorascope.circuits.circuit_file import FOLDER, CircuitFile, circuit_names, read_circuit_file
from aurorascope.circuits.claim import KIND
from aurorascope.circuits.needs import CircuitNeeds, needs_of
from aurorascope.circuits.pairs import pairs_of
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.costs.flops import forward_flops
from aurorascope.costs.hours import stage
from aurorascope.costs.rows import FileCost, OtherCost, count_files, is_there, there
from aurorascope.units import duration, figure

N_RUNS = 4
"""Runs of a date beside those of matched sets, with errors kept and as many with errors removed. A test compares."""


@dataclass(frozen=True)
class CircuitCost:
    """What a circuit costs at most.

    Attributes:
        n_forwards: forwards, whole ones and those that go on from a block or end at one.
        n_backwards: backward passes, nearly all of them between two blocks.
        whole: what all of them take, in whole forwards.
    """

    n_forwards: int
    n_backwards: int
    whole: float


def circuit_cost(file: CircuitFile, needs: CircuitNeeds, share: dict[str, float]) -> CircuitCost:
    """What a circuit costs at most.

    Args:
        file: its file.
        needs: what it reads.
        share: of a whole forward that is over once each block has run, by block id.
    """
    n_dates, first = len(needs.of_outcome.dates), share[file.blocks[0]]
    pairs, n_runs = pairs_of(file.blocks), 2 * (N_RUNS + file.n_sets)
    each = (2 + file.n_partitions) * file.most + 2
    stretches = sum(share[later] - share[earlier] for earlier, later in pairs)
    whole = first + (2 + BACKWARD + n_runs) * (1 - first) + stretches * (1 + BACKWARD * each)
    return CircuitCost(n_dates * (2 + n_runs + len(pairs)), n_dates * (1 + len(pairs) * each), n_dates * whole)


def circuits_cost(config: Config, grid: tuple[int, int], results: Path | None, folder: Path = FOLDER) -> list[OtherCost]:
    """The plan's section on circuits; none where there is no file.

    Args:
        config: the configuration.
        grid: rows and columns of the states.
        results: the results folder, whose circuits are counted as there; None where it holds another run.
        folder: of circuits' files.
    """
    names = circuit_names(folder)
    if not names:
        return []
    forward = forward_flops(grid, len(config.cams.levels), config.aurora.embed_dim)
    last = forward[BLOCKS[-1].id]

    def count(name: str) -> FileCost:
        file = read_circuit_file(name, folder)
        needs = needs_of(file, config.cams)
        check_planned(needs.outcome, config)
        cost = circuit_cost(file, needs, {block: flop / last for block, flop in forward.items()})
        is_done = results is not None and _is_there(config, file, needs, results)
        n_dates, n_blocks = len(needs.of_outcome.dates), len(file.blocks)
        words = f"at most, of {n_dates} date{'' if n_dates == 1 else 's'}, {n_blocks} blocks and up to {file.most} nodes a block"
        note = "; already there" if is_done else ""
        value = f"{cost.n_forwards:,} forwards, {cost.n_backwards:,} backward passes between blocks"
        basis = f"{words}; in all {figure(cost.whole)} whole forwards{note}"
        return FileCost(value, basis, int(is_done), 0.0 if is_done else cost.whole * last)

    rows, found = count_files(names, count)
    hours = stage(sum(each.left for each in found), 0, config.plan).compute
    rows.append(("time left", duration(hours), f"at {config.plan.tflops:g} TFLOP/s (plan.tflops), without the attributions that they read"))
    n_done = there(sum(each.n_done for each in found), "circuits")
    return [OtherCost(f"Circuits, with the target `circuits` alone (not counted above or below); {n_done}", tuple(rows))]


def _is_there(config: Config, file: CircuitFile, needs: CircuitNeeds, results: Path) -> bool:
    return is_there(KIND, KIND.where(results, circuit=file.name), {
        "asked": dict(file.asked), "outcome": needs.outcome.name, "hour": needs.of_outcome.hour, "dates": list(needs.of_outcome.dates),
        "quiet_dates": list(needs.of_outcome.quiet_dates), "config_sha256": stage_digest(config, "trace_circuit"),
    })
