"""Features that stand in for a circuit's nodes in its controls: random ones that are used as much."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aurorascope.sae.feature_ids import FeatureId

WITHIN = 2.0
"""Factor in density, and in mean size, within which a feature counts as a match."""


@dataclass(frozen=True)
class Use:
    """How much a feature is used on the dates of an outcome.

    Attributes:
        density: share of tokens that it is on at.
        size: mean of its size over all tokens, in the block's units.
    """

    density: float
    size: float


def matched_set(nodes: Sequence[FeatureId], uses: Mapping[FeatureId, Use], rng: np.random.Generator) -> tuple[tuple[FeatureId, ...], int]:
    """As many other features of the block, each as dense and as large as one of the nodes, within a factor of 2 where there is such a one.

    Args:
        nodes: of one block.
        uses: of all features of the block that are on somewhere, or have an effect without, the nodes included.
        rng: random numbers.

    Returns:
        The features in the order of their nodes, none of them a node and each once, and how many of them are within the factor. There are
        fewer than nodes where the block has too few features.
    """
    left = {each: use for each, use in sorted(uses.items()) if each not in nodes}
    found, n_matched = [], 0
    for node in nodes:
        if not left:
            break
        apart = {each: _apart(use, uses[node]) for each, use in left.items()}
        near = [each for each, distance in apart.items() if distance <= math.log(WITHIN)]
        taken = near[int(rng.integers(len(near)))] if near else min(apart, key=lambda each: (apart[each], each))
        n_matched += bool(near)
        found.append(taken)
        del left[taken]
    return tuple(found), n_matched


def _apart(one: Use, other: Use) -> float:
    """Largest of the logarithms of the factors between two features."""
    return max(_log_factor(one.density, other.density), _log_factor(one.size, other.size))


def _log_factor(one: float, other: float) -> float:
    """A feature that is off on these dates, and has an effect since it usually is on, is like others of its kind alone."""
    if one == other:
        return 0.0
    return abs(math.log(one / other)) if one and other else math.inf

