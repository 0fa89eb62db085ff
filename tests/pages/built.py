"""A folder of pages, made of two blocks whose features are known."""

import dataclasses
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from aurorascope.atlas.fields import SHOWN_FIELDS, example_times, fields_table
from aurorascope.atlas.read import read_atlas
from aurorascope.atlas.score import score_features
from aurorascope.atlas.storyline import storyline_rows
from aurorascope.atlas.write import make_tables, write_atlas
from aurorascope.cams.demo_land import land_fraction
from aurorascope.figures.storyline import draw_storyline
from aurorascope.pages.block_page import write_block_page
from aurorascope.pages.index_page import Figure, index_entry, labels_of, write_index_page
from aurorascope.pages.neighbours import Decoder, nearest_features
from aurorascope.pages.shared import write_fields, write_shared

from tests.atlas.planted import mix, planted_features, planted_world, smooth_noise, source_of
from tests.atlas.test_verdicts import SETTINGS

BLOCKS = ("encoder_s0_b0", "encoder_s0_b3")


@dataclass(frozen=True)
class Built:
    """Pages and what they were made of.

    Attributes:
        folder: of the pages.
        atlases: by block.
        decoders: by block.
        near: nearest features by block.
        grid: of the tokens.
        sizes: bytes of each block's page.
    """

    folder: Path
    atlases: dict
    decoders: dict
    near: dict
    grid: object
    sizes: dict


def make_atlases(folder):
    """Score two blocks: the second has the first's features in another order of directions, and more noise."""
    world = planted_world()
    for number, block in enumerate(BLOCKS):
        x, sae = mix(planted_features(world, number, 20), noise=0.05 * (1 + number))
        with tempfile.TemporaryDirectory() as scratch:
            scored = score_features(sae, source_of(x, world.times), world.labels(Path(scratch)), SETTINGS, Path(scratch))
        tables, summary = make_tables(scored, sae, world.grid)
        write_atlas(folder / block, tables, summary)
        np.savez(folder / f"{block}.npz", W_hd=sae.W_dec.detach().numpy(), alive_f=np.asarray(scored.density_f > 0))


def write_pages(folder, atlases, decoders, grid, world, names=None):
    """All pages, with weather that was drawn at random."""
    names, blocks = names or {}, list(atlases)
    rng, times = np.random.default_rng(0), example_times(atlas.tables["examples"] for atlas in atlases.values())
    noise = np.stack([smooth_noise(rng, len(times), *grid.shape[1:], 1.5) for _ in SHOWN_FIELDS], axis=1)
    scale = [1e-8, 2e-8, 1e-3, 1e-6, 0, 0]
    value = np.stack([1e5 + 1e3 * noise[:, at] if name == "msl" else (5 + 2 * noise[:, at]) ** 2 if name == "wind10" else scale[at] * np.exp(noise[:, at])
                      for at, name in enumerate(SHOWN_FIELDS)], axis=1).reshape(len(times), len(SHOWN_FIELDS), -1)
    write_shared(folder, land_fraction(world.lat, world.lon), world.lat, world.lon)
    shown = write_fields(folder, fields_table(times, value), grid)
    near = {block: nearest_features(block, decoders) for block in blocks}
    labels = {block: labels_of(atlas) for block, atlas in atlases.items()}
    sizes = {
        block: write_block_page(folder, atlas, grid, near[block], blocks, labels=labels, names=names.get(block), fields_of=shown)
        for block, atlas in atlases.items()
    }
    rows = [storyline_rows(block, atlas.summary, atlas.tables["features"], atlas.tables["labels"]) for block, atlas in atlases.items()]
    draw_storyline(pd.concat(rows), folder.parent / "figures" / "storyline.png")
    figures = [Figure("../figures/storyline.png", "Labels over depth", "Best test score of each label in each block", "../figures/storyline.csv")]
    write_index_page(folder, {block: index_entry(atlas, names.get(block, {})) for block, atlas in atlases.items()}, figures)
    return Built(folder, atlases, decoders, near, grid, sizes)


def build(made, folder, names=None):
    """Pages of the two blocks, beside a copy of their atlases."""
    world, decoders = planted_world(), {}
    for block in BLOCKS:
        shutil.copytree(made / block, folder / block)
        with np.load(made / f"{block}.npz") as arrays:
            decoders[block] = Decoder(arrays["W_hd"], arrays["alive_f"], False)
    return write_pages(folder, {block: read_atlas(folder / block, block) for block in BLOCKS}, decoders, world.grid, world, names)


def without_calibration(atlas):
    """The same atlas with a gate that did not pass."""
    return dataclasses.replace(atlas, summary={**atlas.summary, "verdict": "uncalibrated"})
