"""How features go on from block to block: how alike matched ones are, how many are so beyond chance, and how far chains of them go."""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from aurorascope.blocks import BLOCKS, BY_ID
from aurorascope.figures import style
from aurorascope.figures.storyline import name_stages, stage_edges

_MARKS = {"cosine": "o", "correlation": "D"}
_WORDS = {"cosine": "cosine of directions, inside a stage", "correlation": "correlation of pooled codes, from one stage to the next"}


def draw_chains(table: pd.DataFrame, png: Path) -> None:
    """Draw `matching.chains.depth_table`: scores with those of chance, shares above chance, and how far chains go."""
    figure, (scores, shares, starts) = plt.subplots(3, 1, figsize=(11, 8), sharex=True)
    for how, mark in _MARKS.items():
        here = table[table["how"] == how]
        if not len(here):
            continue
        colours = [_colour(block) for block in here["block"]]
        scores.scatter(here["depth"], here["score_mean"], marker=mark, c=colours, s=26, zorder=3, label=_WORDS[how])
        shares.scatter(here["depth"], 100 * here["share_above_chance"], marker=mark, c=colours, s=26, zorder=3)
    ends = table["chance_mean"], table["chance_level"]
    scores.vlines(table["depth"], *ends, color="#999999", lw=3, label="chance: its mean to its 95 % level")
    scores.set(ylabel="mean score of pairs matched\nwith the block before", ylim=(min(0.0, scores.get_ylim()[0]), 1.02))
    shares.axhline(5, color="#999999", lw=1)
    shares.set(ylabel="pairs above chance (%)\ngrey: 5 %, as chance has", ylim=(-2, 102))
    for name in table.columns[table.columns.str.startswith("from_")]:
        block = name.removeprefix("from_")
        line = table.dropna(subset=name)
        if len(line) < 2:
            continue
        starts.plot(line["depth"], 100 * line[name], color=_colour(block), lw=1.6, marker=".", ms=4, label=f"of {block}")
    starts.set(ylabel="features whose chain\ngoes on to here (%)", ylim=(-2, 102), xlim=(-1, len(BLOCKS)))
    for axis in (scores, shares, starts):
        axis.grid(axis="y", alpha=0.25)
        for edge in stage_edges():
            axis.axvline(edge, color="#dddddd", lw=1, zorder=0)
    scores.legend(frameon=False, fontsize=8, loc="lower left", ncols=3)
    starts.legend(frameon=False, fontsize=8, loc="upper right", ncols=2)
    name_stages(starts)
    figure.suptitle("Features matched one to one from each block to the next, and chains of them", fontsize=10)
    style.save(figure, table, png)


def _colour(block: str) -> str:
    return style.STAGE_COLOURS[BY_ID[block].component, BY_ID[block].stage]
