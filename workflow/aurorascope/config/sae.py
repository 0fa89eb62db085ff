"""The section `sae` of the configuration, the recipe's values filled in."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sae:
    """The sparse autoencoders, the recipe's values filled in.

    Attributes:
        recipe: "card" or "tuned".
        architecture: activation function.
        expansion: latents per channel.
        target_l0: latents on per token that are aimed at, or None for a fixed weight of the sparsity term.
        target_growth: share of the steps over which a top-k architecture goes from one latent to `target_l0`.
        l1_coeff: weight of the sparsity term.
        p_end: exponent of the sparsity term at the end.
        lr: Adam's learning rate.
        warm_up: share of the steps over which it rises.
        decay: share of the steps over which it falls.
        epochs: passes over the training snapshots.
        shuffle: "snapshots" or "rows".
        batch_rows: rows of one step with "rows", or None for a snapshot's.
        area_weights: weight tokens by area.
        normalise: train in units of (x - mean) / scale.
        init: "scaled", "tied" or "active_subspace".
        project: take the part along decoder rows out of their gradient.
        revive: "none", "auxk" or "resample".
        dead_snapshots: snapshots without firing after which a latent is dead.
        orthogonality: weight of OrtSAE's penalty.
        precision: "float32", "tf32" or "bfloat16".
        seed: seed of initial weights, revival and order.
        checkpoint_minutes: minutes between two checkpoints.
    """

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
    dead_snapshots: int
    orthogonality: float
    precision: str
    seed: int
    checkpoint_minutes: float
