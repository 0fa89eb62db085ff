"""What is drawn over depth, from the atlases of the configured blocks: labels, and the spatial scale of features."""

from pathlib import Path

import numpy as np
import pandas as pd

from aurorascope.atlas.read import read_atlas
from aurorascope.atlas.storyline import scale_row, storyline_rows
from aurorascope.blocks import BY_ID
from aurorascope.config.model import Config
from aurorascope.figures.storyline import draw_scale, draw_storyline
from aurorascope.files import read_record, write_table
from aurorascope.records import KINDS
from aurorascope.tokens import token_grid


def draw_depth(config: Config, results: Path) -> None:
    """Write `atlas/storyline.parquet`, and `storyline` and `scale_over_depth` under `figures/`, as PNG and CSV.

    Args:
        config: the configuration.
        results: the results folder, with atlases of all configured blocks and the states' record.

    Raises:
        UserError: an atlas or the record is missing or damaged.
    """
    split = read_record(KINDS["states"].where(results, split="held_out"), "states")
    lat, lon = (np.asarray(split[axis], np.float64) for axis in ("latitude", "longitude"))
    stories, scales = [], []
    for block in config.block_ids:
        atlas = read_atlas(results / "atlas" / block, block, ("features", "labels"))
        stories.append(storyline_rows(block, atlas.summary, atlas.tables["features"], atlas.tables["labels"]))
        scales.append(scale_row(block, atlas.tables["features"], len(token_grid(BY_ID[block], lat, lon).lon)))
    table = pd.concat(stories, ignore_index=True)
    figures = results / "figures"
    draw_storyline(table, figures / "storyline.png")
    draw_scale(pd.DataFrame(scales), figures / "scale_over_depth.png")
    write_table(results / "atlas" / "storyline.parquet", table)
