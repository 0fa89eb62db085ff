"""Training curves of all SAEs: what is left to explain, and how many features fire, by optimiser step."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from aurorascope.blocks import BY_ID
from aurorascope.figures import style
from aurorascope.files import check_file, read_record

_PANELS = (
    ("mse", "Mean squared error\n(activation units²)", "log"),
    ("l0", "L0\n(features on per token)", "linear"),
    ("frac_dead", "Dead\n(share of features that did not fire\nfor sae.dead_snapshots snapshots)", "linear"),
)


def read_log(results: Path, block_id: str) -> pd.DataFrame:
    """The training log of one block, as `training/<block>.parquet` has it.

    Raises:
        UserError: it is missing or is not the one that the SAE's record names.
    """
    path, record = results / "training" / f"{block_id}.parquet", results / "saes" / f"sae_{block_id}.json"
    check_file(path, read_record(record, "sae")["files"][str(path.relative_to(results))], record)
    return pd.read_parquet(path)


def draw_curves(block_ids: Sequence[str], results: Path, png: Path) -> None:
    """Draw the logs of some blocks (`read_log`), a line each in the colour of its stage."""
    table = pd.concat([read_log(results, block_id).assign(block=block_id) for block_id in block_ids])
    figure, axes = plt.subplots(1, len(_PANELS), figsize=(11, 3.6))
    for axis, (name, label, scale) in zip(axes, _PANELS, strict=True):
        for block_id, log in table.groupby("block", sort=False):
            block = BY_ID[block_id]
            axis.plot(log["step"], log[name], color=style.STAGE_COLOURS[block.component, block.stage], lw=0.8, alpha=0.8)
        axis.set(xlabel="optimiser step", ylabel=label, yscale=scale)
        axis.grid(alpha=0.25)
    stages = {(BY_ID[b].component, BY_ID[b].stage) for b in block_ids}
    handles = [
        plt.Line2D([], [], color=colour, label=f"{component} s{stage}")
        for (component, stage), colour in style.STAGE_COLOURS.items()
        if (component, stage) in stages
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle(f"Training of {len(block_ids)} SAEs", fontsize=10)
    style.save(figure, table[["block", "step", *(name for name, *_ in _PANELS)]], png)
