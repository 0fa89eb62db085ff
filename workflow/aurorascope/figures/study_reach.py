"""How far a change of the inputs reaches in the model: its size in each of the blocks, and the distance that it gets to."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from aurorascope.blocks import BLOCKS
from aurorascope.figures import style
from aurorascope.figures.study_doses import FEATURE, REVERSE
from aurorascope.studies.finished import FinishedStudy


def reach_table(study: FinishedStudy) -> pd.DataFrame:
    """Means over dates by block, in forward order: block, depth, relative (size over the block's own spread), inside, km_50, km_90."""
    table = study.tables["reach"]
    table = table.assign(relative=table["rms_change"] / table["spread"])
    columns = ["relative", "inside", "km_50", "km_90"]
    return table.groupby(["block", "depth"], as_index=False)[columns].mean().sort_values("depth", ignore_index=True)


def draw_reach(study: FinishedStudy, png: Path) -> None:
    """Draw both curves over the blocks; beside them a CSV with the columns of `reach_table`.

    Args:
        study: a finished study of changed inputs.
        png: where to.
    """
    table = reach_table(study)
    figure, axes = plt.subplots(2, 1, figsize=(5.2, 5.0), sharex=True)
    axes[0].plot(table["depth"], table["relative"], color=FEATURE, marker="o", ms=3, lw=1)
    if (table["relative"] > 0).any():
        axes[0].set_yscale("log")
    axes[0].set_ylabel("root mean square change\n(spreads of the block)")
    for column, colour, mark, label in (("km_50", FEATURE, "o", "half of it"), ("km_90", REVERSE, "s", "90 % of it")):
        axes[1].plot(table["depth"], table[column], color=colour, marker=mark, ms=3, lw=1, label=label)
    axes[1].set(ylabel="distance from the region\nwithin which it lies (km)", ylim=(0, None))
    axes[1].legend(frameon=False, fontsize=8)
    _name_stages(axes)
    style.save(figure, table, png)


def _name_stages(axes: np.ndarray) -> None:
    """Lines between stages, and their names in the middle of each."""
    stages: dict[tuple[str, int], list[int]] = {}
    for block in BLOCKS:
        stages.setdefault((block.component, block.stage), []).append(block.depth_index)
    for depths in list(stages.values())[1:]:
        for axis in axes:
            axis.axvline(depths[0] - 0.5, color="#bbbbbb", lw=0.8)
    middles = [sum(depths) / len(depths) for depths in stages.values()]
    axes[-1].set_xticks(middles, [f"{component}\nstage {stage}" for component, stage in stages], fontsize=7.5)
    axes[-1].set(xlim=(-1, len(BLOCKS)), xlabel="blocks in forward order")
    axes[-1].tick_params(axis="x", length=0)
