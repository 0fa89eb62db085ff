"""One look for all figures, drawn without a display, the same bytes on every run."""

import io
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pandas as pd

from aurorascope.files import write_bytes, write_text

# Stages in forward order, dark to light to dark, distinguishable without colour vision.
STAGE_COLOURS = {
    ("encoder", 0): "#0b3954", ("encoder", 1): "#1f78a4", ("encoder", 2): "#66b2c9",
    ("decoder", 0): "#e0a458", ("decoder", 1): "#c8553d", ("decoder", 2): "#7d2e2e",
}

plt.rcParams.update({
    "font.size": 9, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False, "figure.dpi": 150,
    "savefig.dpi": 150, "figure.constrained_layout.use": True,
})


def save(figure: plt.Figure, data: pd.DataFrame, png: Path) -> None:
    """Write a figure and the table it was drawn from (same name, .csv), both atomically."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    plt.close(figure)
    write_text(png.with_suffix(".csv"), data.to_csv(index=False, lineterminator="\n"))
    write_bytes(png, buffer.getbuffer())
