"""Sections of the configuration that say what is measured of finished SAEs, and which features are written, what is compared.

As in `model`, meanings and defaults are in schemas/config.schema.yaml.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fidelity:
    """Forecasts with an SAE's reconstruction in the place of its block's output."""

    enabled: bool
    snapshots: int | None


@dataclass(frozen=True)
class Stability:
    """Whether other seeds find the same features."""

    blocks: str | tuple[str, ...]
    seeds: int


@dataclass(frozen=True)
class Atlas:
    """Features against labels: what a verdict depends on. What is not here stays as `atlas/settings.py` has it."""

    enabled: bool
    seed: int
    rotations: int
    date_shifts: int
    held_out_nulls: int
    null_snapshots: int
    least_objects: int
    least_label_blocks: int
    alpha: float
    q: float
    least_f1: float
    least_margin: float
    components: int


@dataclass(frozen=True)
class Evaluation:
    """What is measured of the SAEs."""

    lat_bands: tuple[float, ...]
    fidelity: Fidelity
    stability: Stability


@dataclass(frozen=True)
class Reproduce:
    """What a reproduction is compared with."""

    against: str | None


@dataclass(frozen=True)
class Features:
    """What the feature file of a block and date holds."""

    top_k: int
    chosen: tuple[int, ...]
