"""One block's page: how its SAE was trained, how often its features are on, and where it explains how much."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from aurorascope.blocks import BY_ID
from aurorascope.figures import style
from aurorascope.figures.curves import read_log
from aurorascope.figures.groups import draw_groups, fve_by_group, percent_norm, read_evaluation

_TERMS = (("loss", "loss", "black"), ("mse", "MSE", "#1f78a4"), ("penalty", "penalty", "#e0a458"), ("aux", "AuxK, unweighted", "#c8553d"))
_BIN = 0.5


def page_table(log: pd.DataFrame, evaluation: pd.DataFrame) -> pd.DataFrame:
    """All that a page shows of a training's log and an evaluation's table, one number a row.

    Returns:
        Columns panel, series, at, level, lat_band, value. "training": loss terms, l0 and frac_dead (series) at each logged
        step; penalty is sparsity_weight x sparsity. "density": features whose log10 of the share of held-out tokens lies
        from `at` to half a unit above, and those that are never on (series dead, `at` empty). "l0": held-out tokens with
        `at` features on. "fve": by level and lat_band.
    """
    log = log.assign(penalty=log["sparsity_weight"] * log["sparsity"])
    names = [*(name for name, *_ in _TERMS), "l0", "frac_dead"]
    training = log.melt("step", names, "series", "value").rename(columns={"step": "at"}).assign(panel="training")
    counts = evaluation[evaluation["scope"].isin(["density", "l0"])]
    counts = counts[["scope", "at", "value"]].rename(columns={"scope": "panel"}).assign(series="count")
    fired = evaluation.loc[evaluation["scope"] == "feature", "value"]
    dead = pd.DataFrame({"panel": ["density"], "series": ["dead"], "value": [float((fired == 0).sum())]})
    groups = fve_by_group(evaluation).drop(columns="n").rename(columns={"fve": "value"}).assign(panel="fve", series="fve")
    table = pd.concat([training, counts, dead, groups], ignore_index=True)
    return table[["panel", "series", "at", "level", "lat_band", "value"]]


def draw_pages(block_ids: Sequence[str], results: Path, folder: Path) -> None:
    """Draw `<folder>/<block>.png`, with its numbers as CSV, for each block."""
    for block_id in block_ids:
        table = page_table(read_log(results, block_id), read_evaluation(results, block_id))
        _draw(block_id, table, folder / f"{block_id}.png")


def _draw(block_id: str, table: pd.DataFrame, png: Path) -> None:
    # Placed by hand, as all pages are alike: finding places for the labels takes half of the time.
    figure, axes = plt.subplots(2, 3, figsize=(11, 6.2), layout="none")
    figure.subplots_adjust(left=0.075, right=0.955, bottom=0.115, top=0.92, wspace=0.38, hspace=0.36)
    panels = dict(list(table.groupby("panel", sort=False)))
    training = panels["training"].pivot(index="at", columns="series", values="value")
    _draw_training(axes[0], training)
    _draw_density(axes[1, 0], panels["density"])
    _draw_l0(axes[1, 1], panels["l0"])
    groups = panels["fve"].rename(columns={"value": "fve"})
    norm = percent_norm(groups["fve"])
    image = draw_groups(axes[1, 2], groups, norm)
    axes[1, 2].tick_params(axis="x", labelsize=7.5)
    axes[1, 2].set(xlabel="latent level", ylabel="latitude band (°N)")
    figure.colorbar(image, ax=axes[1, 2], label="FVE about the group's own mean (%)", pad=0.04,
                    extend="min" if (100 * groups["fve"] < norm.vmin).any() else "neither")
    block = BY_ID[block_id]
    figure.suptitle(f"{block_id}: the SAE of {block.component} stage {block.stage}, block {block.block}", fontsize=10)
    style.save(figure, table, png)


def _draw_training(axes: np.ndarray, training: pd.DataFrame) -> None:
    for name, label, colour in _TERMS:
        if (training[name] > 0).any():
            axes[0].plot(training.index, training[name], color=colour, lw=1, label=label)
    axes[0].set(ylabel="loss terms\n(squared units of what is trained on)", yscale="log")
    axes[0].legend(frameon=False, fontsize=8)
    axes[1].plot(training.index, training["l0"], color="black", lw=1)
    axes[1].set(ylabel="L0 (features on per token)", ylim=(0, None))
    axes[2].plot(training.index, 100 * training["frac_dead"], color="black", lw=1, clip_on=False)
    axes[2].set(ylabel="dead (% of features; not on\nfor sae.dead_snapshots snapshots)", ylim=(0, max(1.0, axes[2].get_ylim()[1])))
    for axis in axes:
        axis.set_xlabel("optimiser step")
        axis.grid(alpha=0.25)


def _draw_density(axis: plt.Axes, density: pd.DataFrame) -> None:
    bins = density[density["series"] == "count"]
    n_dead = int(density.loc[density["series"] == "dead", "value"].iloc[0])
    known = bins[bins["value"] > 0]
    axis.bar(bins["at"], bins["value"], width=_BIN, align="edge", color="#1f78a4", edgecolor="white", linewidth=0.5)
    low = min(-2.0, known["at"].min() if len(known) else -2.0)
    axis.set(xlabel="log10 of the share of held-out tokens\n(the last bin: on for every token)", ylabel="features",
             xlim=(low - 0.1, _BIN + 0.1))
    axis.set_title(f"never on: {n_dead} of {n_dead + int(bins['value'].sum())}", loc="left", fontsize=9)


def _draw_l0(axis: plt.Axes, l0: pd.DataFrame) -> None:
    tokens = l0.set_index("at")["value"].reindex(np.arange(l0["at"].min(), l0["at"].max() + 1), fill_value=0)
    axis.stairs(tokens, np.append(tokens.index - 0.5, tokens.index[-1] + 0.5), fill=True, color="#1f78a4")
    axis.set(xlabel="features on per token", ylabel="held-out tokens", xlim=(0, None))
