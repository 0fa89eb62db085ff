"""The section `sae` of the configuration; meanings and defaults are in schemas/config.schema.yaml."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Boost:
    """A second SAE of what the first one leaves out; target, expansion and epochs that are None are as of the first, a weight has a label."""

    enabled: bool
    target_l0: float | None
    expansion: int | None
    epochs: int | None
    label: str | None
    label_weight: float | None


@dataclass(frozen=True)
class Sae:
    """The sparse autoencoders, the recipe's values filled in."""

    recipe: str
    architecture: str
    expansion: int
    target_l0: float | None
    target_growth: float
    l1_coeff: float
    p_end: float
    lr: float
    warm_up: float
    decay: float
    epochs: int
    shuffle: str
    batch_rows: int | None
    area_weights: bool
    normalise: bool
    init: str
    project: bool
    revive: str
    aux_weight: float
    dead_snapshots: int
    orthogonality: float
    mutual_weight: float
    precision: str
    seed: int
    group: str
    checkpoint_minutes: float
    boost: Boost


def n_at_once(sae: Sae) -> int:
    """How many SAEs a training of one has in memory and steps: two with `mutual_weight`."""
    return 2 if sae.mutual_weight else 1
