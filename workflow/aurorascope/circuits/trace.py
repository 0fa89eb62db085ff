"""Trace a circuit date by date: clean blocks and the gradient there, runs of its faithfulness, edges of each pair of blocks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from aurora import AuroraAirPollution, Batch

from aurorascope.backbone.gradients import graph_from, hear_gradients, pull_back
from aurorascope.backbone.hooks import run_to_blocks
from aurorascope.backbone.replay import Replay
from aurorascope.blocks import BY_ID, Block
from aurorascope.circuits.clean_block import CleanBlock
from aurorascope.circuits.draws import Draws
from aurorascope.circuits.edges import own_effects
from aurorascope.circuits.faithfulness import CLEAN
from aurorascope.circuits.measure import Arrays, measure_edges, measure_run, runs_of
from aurorascope.circuits.others import Use
from aurorascope.circuits.pairs import pairs_of
from aurorascope.circuits.runs import Site
from aurorascope.circuits.usual import sizes_of
from aurorascope.features.forward import encode
from aurorascope.interventions.values import ROWS
from aurorascope.sae.architectures import RELEASED
from aurorascope.sae.aurora_sae import AuroraSAE
from aurorascope.sae.feature_ids import FeatureId

Key = tuple[str, str]
"""A date, and what was measured: `values_<run>`, `edges_<first>__<later>` or `effects`."""


class Reading(Protocol):
    """The outcome on one date, in units of that date's clean tendency.

    Attributes:
        rounding: what one rounding of the clean forecast amounts to.
    """

    rounding: float

    def y(self, forecast: Batch) -> torch.Tensor:
        """Its value of a forecast, with a graph."""

    def value(self, forecast: Batch) -> float:
        """Its value of a forecast."""


@dataclass(frozen=True, eq=False)
class Open:
    """What a circuit is traced in.

    Attributes:
        model: Aurora, in eval mode.
        sites: the circuit's blocks, in forward order.
        draws: nodes and their stand-ins.
        batch: a date's input.
        reading: the outcome on a date, given its clean forecast.
    """

    model: AuroraAirPollution
    sites: Sequence[Site]
    draws: Draws
    batch: Callable[[str], Batch]
    reading: Callable[[str, Batch], Reading]


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


def _measured(opened: Open, date: str, left: Sequence[str]):
    """What is left of a date, one after the other."""
    first, batch = opened.sites[0].block, opened.batch(date)
    replay = Replay(opened.model, batch)
    replay.advance(first)
    reading = opened.reading(date, clean := replay.forecast())
    blocks = clean_blocks(opened, replay, reading)
    if "effects" in left:
        yield "effects", {name: own_effects(block, opened.draws.nodes[name]) for name, block in blocks.items()}
    if (key := value_key(CLEAN)) in left:
        yield key, {"y": np.array([reading.value(clean)]), "rounding": np.array([reading.rounding])}
    del clean
    for name, run in runs_of(opened.draws).items():
        if (key := value_key(name)) in left:
            yield key, {"y": np.array([measure_run(opened.model, replay, opened.sites, run, reading.value)])}
    for pair in pairs_of(list(blocks)):
        if (key := edge_key(*pair)) in left:
            yield key, measure_edges(opened.model, replay, *(blocks[each] for each in pair), opened.draws)


def clean_blocks(opened: Open, replay: Replay, reading: Reading) -> dict[str, CleanBlock]:
    """The circuit's blocks in the clean forecast, from one forward and one backward.

    Args:
        opened: what the circuit is traced in.
        replay: of a date's input, advanced to the first block.
        reading: the outcome on that date.
    """
    outputs: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def receive(block: Block, x_nd: torch.Tensor, g_nd: torch.Tensor) -> None:
        outputs[block.id] = (x_nd, g_nd)

    blocks = [site.block for site in opened.sites]
    with graph_from(opened.model, blocks[0]) as start, hear_gradients(opened.model, blocks, receive), replay.known():
        pull_back(reading.y(opened.model(replay.batch)), start)
    return {
        site.block.id: CleanBlock.of(site.block, site.sae, site.ids, *outputs[site.block.id], site.usual, site.usual_nf) for site in opened.sites
    }


def uses_of(model: AuroraAirPollution, saes: Mapping[str, AuroraSAE], batches: Sequence[Callable[[], Batch]]) -> dict[str, dict[FeatureId, Use]]:
    """How much features are used on some dates, by block id; those that are on nowhere are left out.

    Args:
        model: the model, in eval mode.
        saes: by block id.
        batches: reads each date's input.
    """
    signs = {name: (1, -1) if RELEASED[sae.architecture].signed else (1,) for name, sae in saes.items()}
    ids = {name: tuple((feature, sign) for sign in signs[name] for feature in range(sae.d_hidden)) for name, sae in saes.items()}
    totals = {name: np.zeros((2, len(each))) for name, each in ids.items()}
    n_tokens = dict.fromkeys(saes, 0)

    def count(block: Block, x_nd: torch.Tensor) -> None:
        for x_td in x_nd.split(ROWS):
            size_tf = sizes_of(encode(saes[block.id], x_td), ids[block.id])
            totals[block.id] += (size_tf > 0).sum(axis=0), size_tf.sum(axis=0, dtype=np.float64)
        n_tokens[block.id] += len(x_nd)

    for batch in batches:
        run_to_blocks(model, batch(), [BY_ID[name] for name in saes], count)
    return {
        name: {
            each: Use(float(n / n_tokens[name]), float(size / n_tokens[name])) for each, n, size in zip(ids[name], *totals[name], strict=True) if n
        }
        for name in saes
    }
