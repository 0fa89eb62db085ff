"""Two figures of the atlas over depth: each label's score in each block, and the spatial scale of features."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.patches import Rectangle

from aurorascope.blocks import BLOCKS, BY_ID
from aurorascope.figures import style
from aurorascope.figures.groups import CMAP
from aurorascope.spec import DEPTHS

_NOT_DEFINED, _SCORED = "#e6e6e6", "ok"
# What a pair that is beyond a null is marked with, where the block's gate is calibrated.
_MARKS = {"event": "o", "place": "s", "zonal/season": "^"}


def draw_storyline(table: pd.DataFrame, png: Path) -> None:
    """Draw the score of each label in each block, `storyline_rows` of all blocks; a hatched cell has no atlas, or one without scores.

    Marks say what the pair is beyond: a dot both nulls, a square the rotations, a triangle the date shifts. Filled ones also score higher
    than every baseline; a cell with a score of 0 has none.
    """
    labels, n = list(dict.fromkeys(table["label"])), len(BLOCKS)
    figure, axis = plt.subplots(figsize=(11, 1.8 + 0.2 * max(3, len(labels))))
    # Where no block has scores, one row of hatching says so.
    score, n_rows = np.full((1, n), np.nan), max(1, len(labels))
    if labels:
        score = table.pivot(index="label", columns="depth", values="f1_test").reindex(labels, columns=range(n)).to_numpy(float)
    is_scored = table["status"] == _SCORED
    colours = plt.get_cmap(CMAP).with_extremes(bad=_NOT_DEFINED)
    image = axis.imshow(score, cmap=colours, vmin=0, vmax=1, aspect="auto")
    for depth in sorted(set(range(n)) - set(table["depth"])):
        axis.add_patch(Rectangle((depth - 0.5, -0.5), 1, n_rows, facecolor="white", hatch="/////", edgecolor="#bbbbbb", linewidth=0))
    for row in table[~is_scored].itertuples():
        axis.add_patch(Rectangle((row.depth - 0.5, labels.index(row.label) - 0.5), 1, 1, facecolor=_NOT_DEFINED, edgecolor="none"))
    for verdict, mark in _MARKS.items():
        shown = table[is_scored & (table["verdict"] == verdict) & (table["gate"] == "calibrated") & (table["f1_test"] > 0)]
        for is_gain, size, colour in ((False, 5, "none"), (True, 22, "white")):
            here = shown[(shown["gain"] > 0) == is_gain]
            at = [labels.index(label) for label in here["label"]]
            name = {"label": verdict} if is_gain else {}
            axis.scatter(here["depth"], at, marker=mark, s=size, facecolor=colour, edgecolor="black" if is_gain else "white", linewidth=0.6, **name)
    for edge in stage_edges():
        axis.axvline(edge, color="white", lw=1.5)
    axis.set_yticks(range(len(labels)), labels)
    name_stages(axis)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    figure.colorbar(image, ax=axis, label="F1 on the test dates", fraction=0.02, pad=0.01)
    figure.legend(loc="outside lower right", ncols=len(_MARKS), frameon=False, fontsize=8)
    title = "No block has scores for labels"
    if labels:
        title = "The best feature for each label, chosen on other dates; grey: no score. Tokens of other stages are larger or smaller, and so are base rates.\n"
        title += "Marks: beyond nulls; small ones score no higher than a variable, a climatology or a direction"
    figure.suptitle(title, fontsize=10)
    style.save(figure, table, png)


def draw_scale(table: pd.DataFrame, png: Path) -> None:
    """Draw the spatial scale of features through the blocks: `scale_row` of each."""
    figure, axis = plt.subplots(figsize=(11, 3.6))
    for row in table.itertuples():
        block = BY_ID[row.block]
        colour = style.STAGE_COLOURS[block.component, block.stage]
        axis.plot([row.depth] * 2, [row.km_10, row.km_90], color=colour, lw=1)
        axis.plot([row.depth] * 2, [row.km_25, row.km_75], color=colour, lw=4, solid_capstyle="butt")
        axis.plot(row.depth, row.km_50, "o", color="white", mec=colour, ms=4)
        axis.plot([row.depth - 0.4, row.depth + 0.4], [row.token_km] * 2, color="#888888", lw=1)
    for edge in stage_edges():
        axis.axvline(edge, color="#dddddd", lw=1)
    axis.set(yscale="log", ylabel="scale of features (km)\nmedian, half and four fifths of them", xlim=(-1, len(BLOCKS)))
    axis.grid(axis="y", alpha=0.25)
    name_stages(axis)
    figure.suptitle("Distance at which a feature's autocorrelation falls to 1 / e; grey: the width of a token at the equator, below which it is interpolated", fontsize=10)
    style.save(figure, table, png)


def stage_edges() -> list[float]:
    """Between which blocks a stage begins, on an axis of depth."""
    sizes = [depth for depths in DEPTHS.values() for depth in depths]
    return [float(end) - 0.5 for end in np.cumsum(sizes)[:-1]]


def name_stages(axis: plt.Axes) -> None:
    """Name the stages under an axis of depth."""
    sizes = [(f"{component} {stage}", depth) for component, depths in DEPTHS.items() for stage, depth in enumerate(depths)]
    ends = np.cumsum([depth for _, depth in sizes])
    axis.set_xticks([end - (depth + 1) / 2 for end, (_, depth) in zip(ends, sizes, strict=True)], [name for name, _ in sizes])
    axis.tick_params(axis="x", length=0)
