"""Names, formula ids and definitions of the forecast metrics: text only, so that the index needs no numerics."""

# What takes the place of a block's output: its SAE's reconstruction, and three things that know less and less of it.
ABLATIONS = ("zero", "mean", "position_mean")
CONDITIONS = ("sae", *ABLATIONS)

_INSTEAD = {
    "zero": "zeros",
    "mean": "the training mean of each channel",
    "position_mean": "the training mean at each token's own position",
}
_MEAN = "mean over the variables and levels where it is defined of "
_D2 = "D2 = mean over snapshots and cells, by area, of (F - F_clean)^2, over that of (F_clean - state at t)^2"

FIDELITY_FORMULAS = {
    **{
        f"fidelity_{name}": (
            f"fidelity_d2_{name}",
            f"{_MEAN}1 - D2(SAE) / D2({name}), {name}: {text} in place of the block's output; null where "
            "sqrt(D2) of the ablation is below 0.01",
        )
        for name, text in _INSTEAD.items()
    },
    "divergence": ("divergence_tendency", f"{_MEAN}sqrt(D2(SAE)), F the 12-hour forecast; {_D2}"),
    **{
        f"divergence_{name}": ("divergence_tendency", f"{_MEAN}sqrt(D2({name})), {text} in place of the block's output")
        for name, text in _INSTEAD.items()
    },
    "rmse_change": (
        "rmse_ratio",
        f"{_MEAN}RMSE(SAE) / RMSE(clean) - 1 against the analysis 12 hours later, over the snapshots whose analysis is there",
    ),
    "n_fidelity_snapshots": ("count", "held-out snapshots that Aurora was run on with each replacement"),
}

# By variable and level only.
FIELD_FORMULAS = {
    "tendency": ("rms_tendency", "RMS over snapshots and cells, by area, of F_clean - state at t, in the variable's units"),
    "rmse_clean": ("rmse_area", "RMSE of the clean forecast against the analysis, by area, in the variable's units"),
    "rmse_sae": ("rmse_area", "that of the forecast with the SAE's reconstruction"),
    **{
        f"loss_recovered_{name}": (
            f"loss_recovered_{name}",
            f"(MSE({name}) - MSE(SAE)) / (MSE({name}) - MSE(clean)); null unless MSE({name}) >= 1.01 MSE(clean)",
        )
        for name in ABLATIONS
    },
}

ALL_FORMULAS = {**FIDELITY_FORMULAS, **FIELD_FORMULAS}
# Over the snapshots that have an analysis.
VERIFIED = frozenset(name for name in ALL_FORMULAS if name.startswith(("rmse", "loss")))
