"""What a recipe stands for: the values of the SAE's keys that the user left at null.

`card` is the procedure of the published model card, literally. `tuned` is what our own comparison found to explain more at
equal L0 with fewer dead latents (docs/benchmarks.md); every key of either may be set by the user. What a narrow model or few
tokens ask of `tuned` stands in `sae.tuned`, apart, so that an overlay of `recipe: card` is the card and nothing else.
"""

from typing import Any

from aurorascope.sae.architectures import ARCHITECTURES

RECIPES: dict[str, dict[str, Any]] = {
    "card": {
        "architecture": "relu",
        "expansion": 8,
        "target_l0": None,
        "target_growth": 0.0,
        "l1_coeff": 3e-4,
        "lr": 4e-4,
        "warm_up": 0.0,
        "decay": 0.0,
        "shuffle": "snapshots",
        "batch_rows": None,
        "area_weights": False,
        "normalise": False,
        "init": "scaled",
        "project": False,
        "revive": "none",
        "aux_weight": 1 / 32,
    },
    "tuned": {
        "architecture": "abstopk",
        "expansion": 8,
        "target_l0": 64.0,
        "target_growth": 0.7,
        "l1_coeff": 3e-4,
        "lr": 2e-3,
        "warm_up": 0.05,
        "decay": 0.2,
        "shuffle": "rows",
        "batch_rows": 512,
        "area_weights": False,
        "normalise": True,
        "init": "scaled",
        "project": True,
        "revive": "auxk",
        "aux_weight": 1 / 32,
    },
}


def filled(sae: dict[str, Any]) -> dict[str, Any]:
    """The SAE's section with values in place of null: `sae.tuned`'s, its architecture's own, or else the recipe's."""
    recipe = RECIPES[sae["recipe"]]
    here = {key: value for key, value in (sae.get(sae["recipe"]) or {}).items() if value is not None}
    values = {**recipe, **ARCHITECTURES[sae["architecture"] or recipe["architecture"]].defaults, **here}
    whole = {key: values.get(key) if value is None else value for key, value in sae.items() if key not in RECIPES}
    if sae["batch_rows"] is None and whole["shuffle"] == "snapshots":
        # The number belongs to the recipe's way of shuffling.
        whole["batch_rows"] = None
    return whole
