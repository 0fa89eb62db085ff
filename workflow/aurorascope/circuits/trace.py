"""Trace a circuit date by date: clean blocks and the gradient there, runs of its faithfulness, edges of each pair of blocks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.attribution.value import Value
from aurorascope.backbone.gradients import graph_from, hear_gradients, pull_back
from aurorascope.backbone.replay import Replay
from aurorascope.blocks import Block
from aurorascope.circuits.clean_block import CleanBlock
from aurorascope.circuits.draws import Draws
from aurorascope.circuits.edges import own_effects
from aurorascope.circuits.faithfulness import CLEAN
from aurorascope.circuits.measure import Arrays, measure_edges, measure_run, runs_of
from aurorascope.circuits.pairs import pairs_of
from aurorascope.circuits.site import Site

Key = tuple[str, str]
"""A date, and what was measured: `values_<run>`, `edges_<first>__<later>` or `effects`."""


@dataclass(frozen=True, eq=False)
class Open:
    """What a circuit is traced in.

    Attributes:
        model: Aurora, in eval mode.
        sites: the circuit's blocks, in forward order.
        draws: nodes and their stand-ins.
        batch: a date's input.
        value: of the outcome on a date, that knows no clean forecast yet.
    """

    model: AuroraAirPollution
    sites: Sequence[Site]
    draws: Draws
    batch: Callable[[str], Batch]
    value: Callable[[str], Value]


def trace(opened: Open, dates: Sequence[str], done: Mapping[Key, Arrays], keep: Callable[[Key, Arrays], None]) -> dict[Key, Arrays]:
    """Everything that a circuit's record is made from, by date and what was measured.

    Args:
        opened: what it is traced in.
        dates: of the outcome.
        done: what was measured by an earlier job.
        keep: called with whatever is measured now.
    """
    names, found = keys_of(opened.sites, opened.draws), dict(done)
    for date in dates:
        left = [name for name in names if (date, name) not in found]
        for name, arrays in _measured(opened, date, left) if left else ():
            found[date, name] = arrays
            keep((date, name), arrays)
    return {(date, name): found[date, name] for date in dates for name in names}


def keys_of(sites: Sequence[Site], draws: Draws) -> list[str]:
    """What is measured of each date, in the order in which it is."""
    pairs = pairs_of([site.block.id for site in sites])
    return ["effects", *(value_key(run) for run in (CLEAN, *runs_of(draws))), *(edge_key(*pair) for pair in pairs)]


def value_key(run: str) -> str:
    """Under which the outcome's value in a run stands."""
    return f"values_{run}"


def edge_key(first: str, later: str) -> str:
    """Under which the edges of a pair of blocks stand."""
    return f"edges_{first}__{later}"


def _measured(opened: Open, date: str, left: Sequence[str]) -> Iterator[tuple[str, Arrays]]:
    """What is left of a date, one after the other."""
    first, batch = opened.sites[0].block, opened.batch(date)
    replay = Replay(opened.model, batch)
    replay.advance(first)
    value, clean = opened.value(date), replay.forecast()
    value.set_clean(clean)
    blocks = clean_blocks(opened, replay, value)
    if "effects" in left:
        yield "effects", {name: own_effects(block, opened.draws.nodes[name]) for name, block in blocks.items()}
    if (key := value_key(CLEAN)) in left:
        yield key, {"y": np.array([value.read(clean)]), "rounding": np.array([value.floor()])}
    del clean
    for name, run in runs_of(opened.draws).items():
        if (key := value_key(name)) in left:
            yield key, {"y": np.array([measure_run(opened.model, replay, opened.sites, run, value.read)])}
    for pair in pairs_of(list(blocks)):
        if (key := edge_key(*pair)) in left:
            yield key, measure_edges(opened.model, replay, *(blocks[each] for each in pair), opened.draws)


def clean_blocks(opened: Open, replay: Replay, value: Value) -> dict[str, CleanBlock]:
    """The circuit's blocks in the clean forecast, from one forward and one backward.

    Args:
        opened: what the circuit is traced in.
        replay: of a date's input, advanced to the first block.
        value: of the outcome on that date, with its clean forecast.
    """
    outputs: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def receive(block: Block, x_nd: torch.Tensor, g_nd: torch.Tensor) -> None:
        outputs[block.id] = (x_nd, g_nd)

    blocks = [site.block for site in opened.sites]
    with graph_from(opened.model, blocks[0]) as start, hear_gradients(opened.model, blocks, receive), replay.known():
        pull_back(value.differentiable(opened.model(replay.batch)), start)
    return {site.block.id: CleanBlock.of(site, *outputs[site.block.id]) for site in opened.sites}

