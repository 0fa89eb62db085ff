"""All that is settled before a circuit's edges are measured: its nodes, and the features that stand in for them in its controls."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aurorascope.blocks import BY_ID
from aurorascope.circuits.nodes import Chosen
from aurorascope.circuits.others import Use, matched_set
from aurorascope.sae.feature_ids import FeatureId
from aurorascope.streams import Stream, generator

Features = Mapping[str, tuple[FeatureId, ...]]
"""Number and sign of some features, by block id."""


@dataclass(frozen=True, eq=False)
class Draws:
    """A circuit and its stand-ins.

    Attributes:
        nodes: of the circuit.
        sets: matched ones, whose faithfulness is measured.
        partitions: others, likewise matched, whose edges are.
        n_matched: by name, how many features of a set or partition are as dense and as large as their node within a factor of 2.
    """

    nodes: Features
    sets: Sequence[Features]
    partitions: Sequence[Features]
    n_matched: Mapping[str, int]

    def ids(self, block: str) -> tuple[FeatureId, ...]:
        """All features of a block that are asked for, each once, those of the circuit first."""
        return tuple(dict.fromkeys(each for part in (self.nodes, *self.sets, *self.partitions) for each in part[block]))

    def roles(self) -> dict[str, Features]:
        """The circuit and its stand-ins by name."""
        named = {"circuit": self.nodes}
        named |= {set_role(at): part for at, part in enumerate(self.sets)}
        return named | {partition_role(at): part for at, part in enumerate(self.partitions)}


def set_role(at: int) -> str:
    """Name of a matched set, from 0."""
    return f"set_{at:02d}"


def partition_role(at: int) -> str:
    """Name of a partition, from 0."""
    return f"random_{at:02d}"


def draw(chosen: Mapping[str, Chosen], uses: Mapping[str, Mapping[FeatureId, Use]], n_sets: int, n_partitions: int, seed: int) -> Draws:
    """Draw the stand-ins.

    Args:
        chosen: nodes by block id.
        uses: by block id, of the features that are on somewhere on the dates of the outcome or have an effect; nodes are among them.
        n_sets: matched sets.
        n_partitions: partitions.
        seed: of the draws; each block and kind of stand-in has a stream of its own.
    """
    nodes = {block: each.ids for block, each in chosen.items()}
    parts = {Stream.CIRCUIT_SETS: [{} for _ in range(n_sets)], Stream.CIRCUIT_PARTITIONS: [{} for _ in range(n_partitions)]}
    roles, n_matched = {Stream.CIRCUIT_SETS: set_role, Stream.CIRCUIT_PARTITIONS: partition_role}, Counter()
    for block, ids in nodes.items():
        for stream, drawn in parts.items():
            rng = generator(stream, seed, BY_ID[block].depth_index)
            for at, part in enumerate(drawn):
                part[block], n = matched_set(ids, uses[block], rng)
                n_matched[roles[stream](at)] += n
    return Draws(nodes, *parts.values(), n_matched)
