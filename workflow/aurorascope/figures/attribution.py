"""An outcome's attributions over depth: what each block's features and error node carry, and how far exact ablations agree."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from aurorascope.attribution.agreement import TRUSTED
from aurorascope.attribution.finished import FinishedOutcome
from aurorascope.blocks import BLOCKS, BY_ID
from aurorascope.figures import style
from aurorascope.figures.storyline import name_stages, stage_edges

NAME = "depth"
"""Of the picture, without its ending."""
_ERROR, _BOUND = "#888888", "#c8553d"


def depth_table(outcome: FinishedOutcome) -> pd.DataFrame:
    """A row a block.

    Returns:
        block, depth (0 to 47), absolute (sum over features of |effect|), features, error and total (clean tendencies), correlation, slope,
        sign_agreement (of exact ablations with effects, null where they say nothing), completeness, word.
    """
    rows = []
    for block, record in outcome.records.items():
        found = record["agreement"] or {}
        rows.append({
            "block": block, "depth": BY_ID[block].depth_index, **{key: record[key] for key in ("absolute", "features", "error", "total")},
            **{key: found.get(key) for key in ("correlation", "slope", "sign_agreement")}, "completeness": record["completeness"],
            "word": record["word"],
        })
    numbers = ["correlation", "slope", "sign_agreement", "completeness"]
    return pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))


def draw_attribution(outcome: FinishedOutcome) -> str:
    """Draw `depth.png` into the outcome's folder, beside it a CSV with the columns of `depth_table`; returns the picture's name."""
    table = depth_table(outcome)
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(9, 4.6), sharex=True, height_ratios=(3, 2))
    colours = [style.STAGE_COLOURS[BY_ID[block].component, BY_ID[block].stage] for block in table["block"]]
    top.bar(table["depth"], table["absolute"], color=colours, width=0.8)
    top.plot(table["depth"], table["error"].abs(), lw=0, marker="_", ms=8, mew=2, color=_ERROR, label="error node, |effect|")
    top.set_ylabel("sum of |effect| of features\n(clean tendencies)")
    bottom.axhline(TRUSTED, color=_BOUND, lw=1, ls="--", label="below it gradients are not trusted")
    bottom.plot(table["depth"], table["correlation"], lw=0, marker="o", ms=4, color="black")
    bottom.set(ylabel="correlation with\nexact ablations", ylim=(min(-0.05, float(np.nanmin([0, *table["correlation"]])) - 0.05), 1.05), xlim=(-1, len(BLOCKS)))
    for axis in (top, bottom):
        for edge in stage_edges():
            axis.axvline(edge, color="#dddddd", lw=1, zorder=0)
        axis.grid(axis="y", alpha=0.25)
    name_stages(bottom)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    style.save(figure, table, outcome.folder / f"{NAME}.png")
    return NAME
