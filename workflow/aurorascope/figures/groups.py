"""FVE by latent level and latitude band: read from an evaluation's table, and drawn as a heat map."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import Normalize

from aurorascope.figures.unet import ink_on, text_of
from aurorascope.files import check_file, read_record
from aurorascope.spec import LATENT_LEVELS

CMAP = "viridis"


def read_evaluation(results: Path, block_id: str) -> pd.DataFrame:
    """The evaluation's table of one block.

    Raises:
        UserError: it is missing or is not the one that its record names.
    """
    record, path = (results / "evaluation" / f"{block_id}.{kind}" for kind in ("json", "parquet"))
    check_file(path, read_record(record, "evaluation")["table_sha256"], record)
    return pd.read_parquet(path)


def fve_by_group(evaluation: pd.DataFrame) -> pd.DataFrame:
    """Columns level, lat_band, fve, n: FVE about each group's own mean, NaN where the group does not vary."""
    chosen = evaluation[(evaluation["scope"] == "group") & (evaluation["metric"] == "fve")]
    return chosen[["level", "lat_band", "value", "n"]].rename(columns={"value": "fve"}).reset_index(drop=True)


def percent_norm(values: pd.Series) -> Normalize:
    """One colour scale of shares, in percent: from the lowest, but not below 0, to 100."""
    low = 100 * float(np.nan_to_num(values.min(), nan=0.0))
    return Normalize(min(max(low, 0.0), 99.9), 100)


def draw_groups(axis: plt.Axes, groups: pd.DataFrame, norm: Normalize) -> plt.cm.ScalarMappable:
    """Draw shares `fve` by `level` and `lat_band`, in percent, north at the top; returns what a colour bar needs."""
    bands = list(dict.fromkeys(groups["lat_band"]))
    colours = plt.get_cmap(CMAP).with_extremes(under="#b3417d", bad="#e6e6e6")
    percent = 100 * groups.pivot(index="lat_band", columns="level", values="fve").reindex(bands, columns=LATENT_LEVELS)
    image = axis.imshow(percent.to_numpy(), cmap=colours, norm=norm, origin="lower", aspect="auto")
    for (y, x), value in np.ndenumerate(percent.to_numpy()):
        ink = ink_on(colours(norm(value))) if np.isfinite(value) else "#444444"
        axis.text(x, y, text_of(value), ha="center", va="center", color=ink, fontsize=7.5)
    labels = [band.replace("..", " to ") for band in bands]
    axis.set_xticks(range(len(LATENT_LEVELS)), [name.replace("_", " ") for name in LATENT_LEVELS])
    axis.set_yticks(range(len(bands)), labels)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    return image
