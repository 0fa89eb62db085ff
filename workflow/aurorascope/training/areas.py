"""What a token weighs in training where cells are weighted by their size."""

from pathlib import Path

import numpy as np

from aurorascope.blocks import Block, Stage
from aurorascope.config.model import Sae
from aurorascope.files import read_record
from aurorascope.tokens import token_grid


def cell_areas(config: Sae, block: Block | Stage, scratch: Path) -> np.ndarray | None:
    """Area of each token's cell, 1 on average, (n_tokens,), from the record of the training states; None where unused.

    Raises:
        UserError: the record is missing or damaged.
    """
    if not config.area_weights:
        return None
    states = read_record(scratch / "states" / "train.json", "states")
    return token_grid(block, states["latitude"], states["longitude"]).area.reshape(-1)
