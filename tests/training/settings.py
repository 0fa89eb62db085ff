"""An SAE's configuration from a recipe and changes."""

from aurorascope.config.model import Sae
from aurorascope.config.recipes import RECIPES, filled
from aurorascope.config.sae import Boost
from aurorascope.sae.architectures import ARCHITECTURES

# What the schema's defaults say beside the recipe.
_REST = {
    "expansion": 8, "p_end": 1.0, "epochs": 3, "dead_snapshots": 30, "orthogonality": 0.0, "mutual_weight": 0.0, "precision": "float32",
    "seed": 0, "group": "block", "checkpoint_minutes": 10.0, "boost": Boost(False, None, None, None, None, None),
}


def settings(recipe="card", **changes) -> Sae:
    """A recipe's SAE as a configuration with these keys gives it."""
    return Sae(**filled({"recipe": recipe, **dict.fromkeys(RECIPES[recipe]), **_REST, **changes}))


def sae(recipe="card", **changes) -> Sae:
    """The same sized for the tiny stores: 24 latents, 4 of them on in the tuned recipe, a rate that 30 steps can show."""
    small = {"target_l0": 4.0, "batch_rows": 16} if recipe == "tuned" else {}
    return settings(recipe, **{"expansion": 4, "epochs": 5, "lr": 4e-3, **small, **changes})


def of(architecture, **changes) -> Sae:
    """The card's recipe with an architecture, which aims at 4 latents where it needs a target."""
    target = 4.0 if ARCHITECTURES[architecture].needs_target else None
    return sae(architecture=architecture, **{"target_l0": target, **changes})
