"""What a recipe stands for: the values of the SAE's keys that the user left at null.

`card` is the procedure of the published model card, literally. `tuned` is what our own comparison found to explain more at
equal L0 with fewer dead latents (docs/benchmarks.md); every key of either may be set by the user.
"""

from typing import Any

RECIPES: dict[str, dict[str, Any]] = {
    "card": {
        "architecture": "relu",
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
    },
    "tuned": {
        "architecture": "abstopk",
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
    },
}


# An architecture may need other values, whatever the recipe. JumpReLU's weight is that of (L0 / target - 1)^2, and its
# kernel has a width in units of (x - mean) / scale, which "scaled" initial weights would hardly reach.
# Without signs, latents that a growing target lets in late never come on.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "jumprelu": {"l1_coeff": 0.3, "normalise": True, "init": "tied"},
    **{name: {"target_growth": 0.0} for name in ("topk", "batchtopk", "matryoshka")},
}


def filled(sae: dict[str, Any]) -> dict[str, Any]:
    """The SAE's section with the recipe's values in place of null."""
    recipe = RECIPES[sae["recipe"]]
    values = {**recipe, **ARCHITECTURES.get(sae["architecture"] or recipe["architecture"], {})}
    whole = {key: values.get(key) if value is None else value for key, value in sae.items()}
    if sae["batch_rows"] is None and whole["shuffle"] == "snapshots":
        # The number belongs to the recipe's way of shuffling.
        whole["batch_rows"] = None
    return whole
