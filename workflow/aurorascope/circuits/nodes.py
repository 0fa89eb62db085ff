"""Nodes of a circuit: the fewest features of a block that make up most of what all of its features do to the outcome."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aurorascope.sae.feature_ids import FeatureId


@dataclass(frozen=True)
class Chosen:
    """The features of one block that are nodes.

    Attributes:
        ids: number and sign of each, the strongest first.
        share: of the sum over all features of the sizes of their effects, what the nodes have; None where that sum is 0.
        n_wanted: how many features would have the share that was asked for.
    """

    ids: tuple[FeatureId, ...]
    share: float | None
    n_wanted: int


def choose_nodes(effects: Mapping[FeatureId, float], share: float, most: int) -> Chosen:
    """The fewest features whose effects' sizes sum to a share of those of all, and no more than `most`.

    Args:
        effects: effect of each feature on the outcome; of equal ones that of lower number is taken first.
        share: above 0, at most 1.
        most: at least 1.
    """
    order = sorted((each for each in effects if effects[each]), key=lambda each: (-abs(effects[each]), each))
    sizes = [abs(effects[each]) for each in order]
    # Exact, so that one feature more or less never follows from the order of a sum.
    total = math.fsum(sizes)
    n_wanted = next((n for n in range(len(order)) if math.fsum(sizes[:n]) >= share * total), len(order))
    n = min(n_wanted, most)
    return Chosen(tuple(order[:n]), math.fsum(sizes[:n]) / total if total else None, n_wanted)


def likeness(first: Sequence[FeatureId], second: Sequence[FeatureId]) -> float | None:
    """Features that are in both, as a share of those that are in either; None where there are none."""
    either = {*first, *second}
    return len(either & {*first} & {*second}) / len(either) if either else None
