"""The suite at a glance: each metric of the 48 SAEs as cells laid out like the U-Net."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from aurorascope.figures import style
from aurorascope.figures.unet import draw_panel
from aurorascope.measures.all import MEASURES

PANELS = tuple(panel for measure in MEASURES for panel in measure.panels)


def suite_table(saes: list[dict[str, Any]]) -> pd.DataFrame:
    """What is drawn of each SAE of the index, a row each, in the index' units; empty where a metric is not defined."""
    names = [panel.metric for panel in PANELS]
    rows = [{"id": sae["id"], **{name: sae["metrics"][name] for name in names}} for sae in saes]
    return pd.DataFrame(rows, columns=["id", *names]).astype(dict.fromkeys(names, "float64"))


def draw_suite(index_path: Path, png: Path) -> None:
    """Draw the suite figure from the index; blocks without an SAE are hatched, and a measure left out where none has it."""
    saes: list[dict[str, Any]] = json.loads(index_path.read_text())["saes"]
    table = suite_table(saes)
    panels = [panel for measure in MEASURES if any(map(measure.is_in, saes)) for panel in measure.panels]
    figure, axes = plt.subplots(len(panels), 1, figsize=(10.5, 0.6 + 1.52 * len(panels)))
    for axis, panel in zip(axes, panels, strict=True):
        draw_panel(axis, panel, dict(zip(table["id"], table[panel.metric] * panel.factor, strict=True)))
    figure.suptitle(
        f"AuroraScope: {len(saes)} SAEs; the encoder goes down on the left, the decoder up on the right\n"
        "hatched: no SAE; n/a: not defined; purple: below the colour scale",
        fontsize=9,
    )
    style.save(figure, table, png)
