"""One number for each of the 48 blocks, as cells laid out like the Swin U-Net."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogFormatter

from aurorascope.blocks import BLOCKS, Block
from aurorascope.measures.measure import Panel
from aurorascope.spec import DEPTHS

_HALF = max(max(depths) for depths in DEPTHS.values())
_GAP = 0.8
_MARGIN = 2.5
# Beyond the colour scale, as no colour of the scale is.
_UNDER = "#b3417d"


def colour_scale(panel: Panel, values: list[float]) -> Normalize:
    """The colours' scale of a panel's finite values."""
    if panel.is_log:
        positive = [v for v in values if v > 0] or [1.0]
        return LogNorm(min(positive), max(positive) if max(positive) > min(positive) else 10 * min(positive), clip=False)
    low = max(0.0, min(values, default=0.0)) if panel.low is None else panel.low
    high = max(values, default=low) if panel.high is None else panel.high
    if high > low:
        return Normalize(low, high)
    # All alike: what is at the scale's given end stays there.
    return Normalize(low, low + 1) if panel.high is None else Normalize(high - 1, high)


def _cell(block: Block) -> tuple[float, float]:
    """Left edge and row of a block's cell: the encoder goes down on the left, the decoder up on the right."""
    column = block.block if block.component == "encoder" else _HALF + _GAP + block.block
    return column, -block.merges


def text_of(value: float) -> str:
    """A value in at most five characters, n/a where it is not defined."""
    if not np.isfinite(value):
        return "n/a"
    if value and abs(value) < 0.095:
        return f"{value:.0e}".replace("e-0", "e-")
    return f"{value:.1f}" if abs(value) < 99.95 else f"{value:.0f}"


def ink_on(colour: tuple[float, ...]) -> str:
    """Black or white, whichever is read more easily on a colour (its luminance, ITU-R BT.709 weights)."""
    return "black" if np.dot(colour[:3], (0.2126, 0.7152, 0.0722)) > 0.45 else "white"


def draw_panel(axis: plt.Axes, panel: Panel, values: Mapping[str, float]) -> None:
    """Draw one metric: values by block id in the drawn unit, NaN where it is not defined. Other blocks are hatched."""
    finite = [v for v in values.values() if np.isfinite(v)]
    norm, colours = colour_scale(panel, finite), plt.get_cmap(panel.cmap).with_extremes(under=_UNDER)
    for block in BLOCKS:
        _draw_cell(axis, block, values.get(block.id), norm, colours)
    for component, depths in DEPTHS.items():
        for stage in range(len(depths)):
            row = next(-b.merges for b in BLOCKS if (b.component, b.stage) == (component, stage)) + 0.43
            x, side = (-0.25, "right") if component == "encoder" else (2 * _HALF + _GAP + 0.2, "left")
            axis.text(x, row, f"{component} {stage}", ha=side, va="center", fontsize=7.5)
    axis.set(xlim=(-_MARGIN, 2 * _HALF + _GAP + _MARGIN), ylim=(-2.06, 0.92), xticks=[], yticks=[])
    axis.set_title(panel.title, loc="left", fontsize=9, pad=3)
    axis.spines[:].set_visible(False)
    is_below = any(v < norm.vmin for v in finite)
    bar = axis.figure.colorbar(
        plt.cm.ScalarMappable(norm, colours), ax=axis, fraction=0.02, pad=0.005, extend="min" if is_below else "neither"
    )
    bar.ax.tick_params(labelsize=7)
    if panel.is_log:
        # 4 and 6, which the cells have, too, not 4 x 10^0.
        bar.ax.yaxis.set_major_formatter(LogFormatter())
        bar.ax.yaxis.set_minor_formatter(LogFormatter())


def _draw_cell(axis: plt.Axes, block: Block, value: float | None, norm: Normalize, colours: Colormap) -> None:
    x, y = _cell(block)
    if value is None:
        look, ink = {"facecolor": "white", "hatch": "/////", "edgecolor": "#bbbbbb"}, "#555555"
    elif np.isfinite(value):
        # A logarithmic scale has no place for 0, which is below all that it has.
        face = colours(norm(value)) if value >= norm.vmin else colours.get_under()
        look, ink = {"facecolor": face, "edgecolor": "#666666"}, ink_on(face)
    else:
        look, ink = {"facecolor": "#e6e6e6", "edgecolor": "#666666"}, "#444444"
    axis.add_patch(Rectangle((x, y), 0.95, 0.87, linewidth=0.4, **look))
    if value is not None:
        axis.text(x + 0.475, y + 0.56, text_of(value), ha="center", va="center", color=ink, fontsize=7)
    axis.text(x + 0.475, y + 0.2, f"b{block.block}", ha="center", va="center", color=ink, fontsize=6)
