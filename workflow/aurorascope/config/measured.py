"""Sections of the configuration that say what is measured of finished SAEs, and which features are written, what is compared."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fidelity:
    """Forecasts with an SAE's reconstruction in the place of its block's output.

    Attributes:
        enabled: whether a plain run measures them.
        snapshots: held-out snapshots that Aurora is run on, the first in time order, or None for all.
    """

    enabled: bool
    snapshots: int | None


@dataclass(frozen=True)
class Stability:
    """Whether other seeds find the same features.

    Attributes:
        blocks: "auto" for one block a stage, or ids, of which the configured ones count.
        seeds: SAEs that are compared, the released one among them.
    """

    blocks: str | tuple[str, ...]
    seeds: int


@dataclass(frozen=True)
class Evaluation:
    """What is measured of the SAEs.

    Attributes:
        lat_bands: edges of the latitude bands, degrees north, ascending.
        fidelity: what forecasts lose.
        stability: whether other seeds find the same features.
    """

    lat_bands: tuple[float, ...]
    fidelity: Fidelity
    stability: Stability


@dataclass(frozen=True)
class Reproduce:
    """What a reproduction is compared with.

    Attributes:
        against: results folder or copied release that holds the published SAE, or None for this run's own results.
    """

    against: str | None


@dataclass(frozen=True)
class Features:
    """What the feature file of a block and date holds.

    Attributes:
        top_k: strongest features kept of each token.
        chosen: features written in full instead.
    """

    top_k: int
    chosen: tuple[int, ...]
