"""Stores of the two blocks of a tiny stage, with values that a test plants, and the project around them."""

from pathlib import Path

import numpy as np
from aurorascope.activations.manifest import publish
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.writer import StoreWriter
from aurorascope.blocks import STAGE_BY_ID
from aurorascope.files import write_json
from tiny import LAT, LON, claim, grid

from tests.config.raw import typed

NAMES = ("encoder_s2_b0", "encoder_s2_b1")
STAGE = STAGE_BY_ID["encoder_s2"].of(NAMES)
D_MODEL, TRAIN, HELD_OUT = 6, range(3, 7), (20, 21)
RAW = {
    "cams": {"train": {"start": "2022-06-03", "end": "2022-06-06"}, "held_out": {"dates": ["2022-06-20", "2022-06-21"]}},
    "blocks": list(NAMES),
}
# Of each block: what all its tokens have, and how much larger it is than the first.
OFFSETS, SIZES = {NAMES[0]: 10.0, NAMES[1]: -40.0}, {NAMES[0]: 1.0, NAMES[1]: 50.0}


def config_of(**sae):
    return typed({**RAW, "sae": {"expansion": 4, "lr": 4e-3, "epochs": 6, "group": "stage", **sae}})


def planted(block_id: str, index: int) -> np.ndarray:
    """(n_tokens, d) float32: one token in eight has direction 0, which both blocks know, and the next one direction 1 in the first block and
    2 in the second, each times a size of its own, and a little noise."""
    rng = np.random.default_rng([index, NAMES.index(block_id)])
    n = grid(block_id).n_tokens
    tokens = 0.01 * rng.standard_normal((n, D_MODEL))
    for first, direction in ((0, 0), (1, 1 + NAMES.index(block_id))):
        tokens[first::8, direction] += rng.uniform(1, 3, len(tokens[first::8]))
    return (tokens * SIZES[block_id] + OFFSETS[block_id]).astype(np.float32)


def make_stage(results: Path, values=planted, order=NAMES) -> Path:
    """Both splits of both blocks and the records beside them; the results folder."""
    for block_id in order:
        for split, days in (("train", TRAIN), ("held_out", HELD_OUT)):
            paths = StorePaths.of(results / "scratch", block_id, split)
            content = claim(days, block_id, split, D_MODEL)
            with paths.locked():
                writer = StoreWriter(paths, content, grid(block_id))
                for index, day in enumerate(days):
                    writer.add(index, values(block_id, day))
                writer.finish()
            publish(paths)
    for split in ("train", "held_out"):
        states = {"kind": "states", "latitude": LAT.tolist(), "longitude": LON.tolist()}
        write_json(results / "made" / f"{split}.json", states)
    return results
