"""The suite at a glance: 48 cells laid out as the U-Net, coloured by explained variance and L0."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from aurorascope.blocks import BLOCKS, DEPTHS, Block
from aurorascope.figures import style

_HALF = max(max(depths) for depths in DEPTHS.values())
_GAP = 1.0
# Name in the index, title, factor, colour map, lowest and highest value of the colour scale (None: of the data).
_PANELS = (
    ("fve", "FVE on held-out snapshots (%)", 100, "viridis", (None, 100)),
    ("fve_anom", "Anomaly FVE, about each position's training mean (%); colours end at -100", 100, "viridis", (-100, 100)),
    ("l0", "L0 (features on per token)", 1, "cividis", (0, None)),
)


def _cell(block: Block) -> tuple[float, float]:
    """Left edge and row of a block's cell: the encoder goes down on the left, the decoder up on the right."""
    column = block.block if block.component == "encoder" else _HALF + _GAP + block.block
    return column, -block.merges


def _text(value: float) -> str:
    """A value in at most five characters."""
    if not np.isfinite(value):
        return "–"
    return f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"


def _draw(
    axis: plt.Axes, values: dict[str, float], title: str, cmap: str, limits: tuple[float | None, float | None]
) -> None:
    known = [v for v in values.values() if np.isfinite(v)] or [0.0]
    low, high = (min(known) if limits[0] is None else limits[0], max(known) if limits[1] is None else limits[1])
    norm = Normalize(low, high if high > low else low + 1, clip=True)
    colours = plt.get_cmap(cmap)
    for block in BLOCKS:
        x, y = _cell(block)
        value = values.get(block.id, np.nan)
        missing = not np.isfinite(value)
        face = "#eeeeee" if missing else colours(norm(value))
        axis.add_patch(Rectangle((x, y), 0.94, 0.86, facecolor=face, edgecolor="#666666", linewidth=0.4))
        ink = "#666666" if missing or norm(value) > 0.6 else "white"
        ink = "black" if not missing and norm(value) > 0.6 else ink
        axis.text(x + 0.47, y + 0.56, _text(value), ha="center", va="center", color=ink, fontsize=6.5)
        axis.text(x + 0.47, y + 0.2, f"b{block.block}", ha="center", va="center", color=ink, fontsize=5.5)
    for component, depths in DEPTHS.items():
        for stage, depth in enumerate(depths):
            last = next(b for b in BLOCKS if (b.component, b.stage, b.block) == (component, stage, depth - 1))
            x, y = _cell(last)
            if component == "encoder":
                axis.text(-0.3, y + 0.43, f"encoder s{stage}\n{1 << last.merges}× width", ha="right", va="center", fontsize=7)
            else:
                right = 2 * _HALF + _GAP + 0.25
                axis.text(right, y + 0.43, f"decoder s{stage}\n{1 << last.merges}× width", ha="left", va="center", fontsize=7)
    axis.set(xlim=(-3.4, 2 * _HALF + _GAP + 3.4), ylim=(-2.15, 1.0), xticks=[], yticks=[])
    axis.set_title(title, loc="left")
    axis.spines[:].set_visible(False)
    axis.figure.colorbar(plt.cm.ScalarMappable(norm, cmap), ax=axis, fraction=0.025, pad=0.01)


def draw_suite(index_path: Path, png: Path) -> None:
    """Draw the suite figure from the index; blocks without an SAE stay grey."""
    saes: list[dict[str, Any]] = json.loads(index_path.read_text())["saes"]
    rows = [{"block": s["id"], **{name: s["metrics"][name] for name, *_ in _PANELS},
             "frac_dead": s["metrics"]["frac_dead"]} for s in saes]  # fmt: skip
    table = pd.DataFrame(rows)
    figure, axes = plt.subplots(len(_PANELS), 1, figsize=(11, 7.2))
    for axis, (name, title, factor, cmap, limits) in zip(axes, _PANELS, strict=True):
        values = dict(zip(table["block"], table[name].astype(float) * factor, strict=True))
        _draw(axis, values, title, cmap, limits)
    figure.suptitle(f"AuroraScope: {len(saes)} SAEs in forward order, encoder down on the left, decoder up on the right",
                    fontsize=10)  # fmt: skip
    style.save(figure, table, png)
