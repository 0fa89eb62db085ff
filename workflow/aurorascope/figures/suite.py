"""The suite at a glance: each metric of the 48 SAEs as cells laid out like the U-Net."""

import json
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from aurorascope.figures import style
from aurorascope.figures.unet import Panel, draw_panel

# Divergence stands beside fidelity, which is not defined where the ablation hardly moves the forecast.
PANELS = (
    Panel("fve", "FVE on held-out snapshots (%)", low=None, high=100),
    Panel("fve_anom", "Anomaly FVE, about each position's training mean (%)", high=100),
    Panel("fve_pca", "FVE of PCA with as many components as the SAE has features on (%)", low=None, high=100),
    Panel("l0", "L0 (features on per token)", factor=1, cmap="cividis"),
    Panel("frac_dead", "Dead: on for no held-out token (% of features)", cmap="cividis"),
    Panel("divergence", "Divergence of the 12-hour forecast with the SAE in place (% of the tendency), logarithmic colours",
          cmap="cividis", is_log=True),
    Panel("fidelity_position_mean", "Forecast fidelity against the mean at each position (% of its squared divergence avoided)",
          high=100),
)
_FORECAST = ("divergence", "fidelity_position_mean")


def suite_table(saes: list[dict[str, Any]]) -> pd.DataFrame:
    """What is drawn of each SAE of the index, a row each, in the index' units; empty where a metric is not defined."""
    names = [panel.metric for panel in PANELS]
    rows = [{"id": sae["id"], **{name: sae["metrics"][name] for name in names}} for sae in saes]
    return pd.DataFrame(rows, columns=["id", *names]).astype(dict.fromkeys(names, "float64"))


def draw_suite(index_path: Path, png: Path) -> None:
    """Draw the suite figure from the index; blocks without an SAE are hatched, and forecasts left out if not measured."""
    saes: list[dict[str, Any]] = json.loads(index_path.read_text())["saes"]
    table = suite_table(saes)
    has_forecasts = any(sae["fidelity_file"] is not None for sae in saes)
    panels = [panel for panel in PANELS if has_forecasts or panel.metric not in _FORECAST]
    figure, axes = plt.subplots(len(panels), 1, figsize=(10.5, 0.6 + 1.52 * len(panels)))
    for axis, panel in zip(axes, panels, strict=True):
        draw_panel(axis, panel, dict(zip(table["id"], table[panel.metric] * panel.factor, strict=True)))
    figure.suptitle(
        f"AuroraScope: {len(saes)} SAEs; the encoder goes down on the left, the decoder up on the right\n"
        "hatched: no SAE; n/a: not defined; purple: below the colour scale",
        fontsize=9,
    )
    style.save(figure, table, png)
