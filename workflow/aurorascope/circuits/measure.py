"""What is measured of a circuit on one date: edges of each pair of blocks, and the outcome's value in each run of its faithfulness."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
from aurora import AuroraAirPollution, Batch

from aurorascope.backbone.gradients import between
from aurorascope.backbone.replay import Replay
from aurorascope.circuits.clean_block import CleanBlock
from aurorascope.circuits.draws import Draws, partition_role, set_role
from aurorascope.circuits.edges import error_edges, feature_edges, influences, through
from aurorascope.circuits.faithfulness import ALL, CIRCUIT, ERRORS, NONE, REST, run_name
from aurorascope.circuits.runs import Run, edited
from aurorascope.circuits.site import Site

Arrays = dict[str, np.ndarray]


def measure_edges(model: AuroraAirPollution, replay: Replay, first: CleanBlock, later: CleanBlock, draws: Draws) -> Arrays:
    """Edges from one block to a later one.

    Args:
        model: the model.
        replay: of the date's input, not advanced past the earlier block.
        first: the earlier block.
        later: the later block.
        draws: nodes and their stand-ins.

    Returns:
        `features` (later nodes, nodes and last the error), `influences` (later nodes, nodes), `error` and `through` (nodes and last the error);
        and of each draw of random features `random_<n>` (later features, features), float64.
    """
    blocks = first.site.block, later.site.block
    replay.advance(blocks[0])
    names = [block.id for block in blocks]
    ids, later_ids = (draws.nodes[name] for name in names)
    with between(model, functools.partial(_forecast, model, replay), *blocks) as stretch:
        found = {
            "features": feature_edges(stretch, first, ids, later, later_ids),
            "influences": influences(stretch, first, ids, later, later_ids),
            "error": error_edges(stretch, first, ids, later),
            "through": through(stretch, first, ids, later),
        }
        for at, part in enumerate(draws.partitions):
            found[partition_role(at)] = feature_edges(stretch, first, part[names[0]], later, part[names[1]])[:, :-1]
    return found


def _forecast(model: AuroraAirPollution, replay: Replay) -> Batch:
    """Outside of inference mode, in which no graph is recorded."""
    with replay.known():
        return model(replay.batch)


def runs_of(draws: Draws) -> dict[str, Run]:
    """All edited runs of a date by name; see `faithfulness`."""
    found = {}
    for errors in ERRORS:
        keeps = errors == ERRORS[0]
        found[run_name(NONE, errors)] = Run({}, True, keeps)
        found[run_name(ALL, errors)] = Run({}, False, keeps)
        found[run_name(CIRCUIT, errors)] = Run(draws.nodes, True, keeps)
        found[run_name(REST, errors)] = Run(draws.nodes, False, keeps)
        found |= {run_name(set_role(at), errors): Run(part, True, keeps) for at, part in enumerate(draws.sets)}
    return found


def measure_run(model: AuroraAirPollution, replay: Replay, sites: Sequence[Site], run: Run, read: Callable[[Batch], float]) -> float:
    """The outcome's value in one run.

    Args:
        model: the model.
        replay: of the date's input, advanced to the first of the blocks.
        sites: the circuit's blocks, in forward order.
        run: what stays live.
        read: the outcome of a forecast.
    """
    with edited(model, sites, run):
        return read(replay.forecast())

