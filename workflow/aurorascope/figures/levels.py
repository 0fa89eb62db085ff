"""FVE by latent level and latitude band, one heat map a stage."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from aurorascope.blocks import BY_ID
from aurorascope.figures import style
from aurorascope.figures.groups import draw_groups, fve_by_group, percent_norm, read_evaluation
from aurorascope.spec import DEPTHS

_KEYS = ["component", "stage", "level", "lat_band"]


def levels_table(block_ids: Sequence[str], results: Path) -> pd.DataFrame:
    """Median, lowest and highest FVE over a stage's blocks, by latent level and latitude band."""
    tables = []
    for block_id in block_ids:
        block = BY_ID[block_id]
        groups = fve_by_group(read_evaluation(results, block_id))
        tables.append(groups.assign(component=block.component, stage=block.stage))
    groups = pd.concat(tables).groupby(_KEYS, sort=False)["fve"]
    # count leaves out the blocks where a group does not vary.
    found = groups.agg(["median", "min", "max", "count"]).reset_index()
    return found.rename(columns={"median": "fve_median", "min": "fve_min", "max": "fve_max", "count": "n_blocks"})


def draw_levels(block_ids: Sequence[str], results: Path, png: Path) -> None:
    """Draw each stage's median FVE by latent level and latitude band; stages without a block stay empty."""
    table = levels_table(block_ids, results)
    norm = percent_norm(table["fve_median"])
    n_stages = max(len(depths) for depths in DEPTHS.values())
    figure, axes = plt.subplots(n_stages, len(DEPTHS), figsize=(9.6, 8.2), sharex=True, sharey=True)
    image = None
    for column, (component, depths) in enumerate(DEPTHS.items()):
        for stage in range(len(depths)):
            # As in the U-Net: the decoder's first stage lies beside the encoder's last.
            axis = axes[stage if component == "encoder" else len(depths) - 1 - stage, column]
            chosen = table[(table["component"] == component) & (table["stage"] == stage)]
            n = sum((BY_ID[b].component, BY_ID[b].stage) == (component, stage) for b in block_ids)
            axis.set_title(f"{component} {stage}, {n} of {depths[stage]} blocks", loc="left", fontsize=9)
            if len(chosen):
                image = draw_groups(axis, chosen.rename(columns={"fve_median": "fve"}), norm)
            else:
                axis.set_facecolor("#f2f2f2")
                axis.spines[:].set_visible(False)
                axis.tick_params(length=0)
    figure.supylabel("latitude band (degrees north)", fontsize=9)
    figure.supxlabel("latent level", fontsize=9)
    figure.colorbar(image, ax=axes, label="FVE about the group's own mean, median over the stage's blocks (%)",
                    fraction=0.03, pad=0.015, extend="min" if (100 * table["fve_median"] < norm.vmin).any() else "neither")
    style.save(figure, table, png)
