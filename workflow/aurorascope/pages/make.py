"""Make all pages of the configured blocks from what lies under results."""

import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aurorascope.atlas.fields import example_times, fields_table, shown_fields
from aurorascope.atlas.plane import Plane
from aurorascope.atlas.read import BlockAtlas, read_atlas
from aurorascope.backbone.static import load_static
from aurorascope.blocks import BY_ID
from aurorascope.cams.states import load_state
from aurorascope.config.model import Config
from aurorascope.errors import UserError
from aurorascope.files import read_record, write_bytes
from aurorascope.matching.pair import across_stages
from aurorascope.matching.read import matched_elsewhere
from aurorascope.notices import tell
from aurorascope.pages.block_page import write_block_page
from aurorascope.pages.index_page import Figure, index_entry, labels_of, write_index_page
from aurorascope.pages.neighbours import Decoder, nearest_features
from aurorascope.pages.read import Names, names_of_nothing, read_names, read_seeds
from aurorascope.pages.shared import write_fields, write_shared
from aurorascope.progress import Progress
from aurorascope.records import KINDS
from aurorascope.sae.opening import open_sae
from aurorascope.sphere import cell_areas
from aurorascope.tokens import TokenGrid, token_grid

_LOG = logging.getLogger(__name__)
NAMES_FILE = "labels.csv"
# Title, and what each shows in words, of the figures on the first page, by name under results/figures.
_FIGURES = {
    "storyline": ("Labels over depth", "Score of the best feature for each label in each block, on the test dates"),
    "scale_over_depth": ("Scale over depth", "Distance at which the autocorrelation of features falls to 1 / e, block by block"),
}


@dataclass(frozen=True)
class _Seen:
    """What other blocks' pages and the first page need of one block: all but its maps.

    Attributes:
        entry: of the first page.
        keys: (feature, sign) of all its features.
        labels: of its features, as far as they may be shown.
        times: of its examples.
        alive: its features that are on, with repeats where signs are two.
        signed: whether signs are told apart.
        sae_sha256: digest of the SAE it is the atlas of.
    """

    entry: dict[str, Any]
    keys: set[tuple[int, int]]
    labels: Names
    times: list[str]
    alive: np.ndarray
    signed: bool
    sae_sha256: str


def draw_atlas(config: Config, results: Path) -> None:
    """Write `atlas/index.html`, a page a block and `atlas/pages/` in the results folder; the first page last.

    Pages of earlier runs are deleted first, tables and the user's own names are only read. One block's maps are in memory at a time, and
    the decoders of one stage.

    Args:
        config: the configuration.
        results: the results folder, with atlases and SAEs of all configured blocks, states, static fields, and the figures over depth;
            comparisons of seeds, and matches of blocks of two stages, are shown where there are some.

    Raises:
        UserError: one of these is missing or damaged, an atlas is of another SAE, or the table of names is not one.
    """
    folder, blocks = results / "atlas", config.block_ids
    names = read_names(folder / NAMES_FILE)
    split = read_record(KINDS["states"].where(results, split="held_out"), "states")
    lat, lon = (np.asarray(split[axis], np.float64) for axis in ("latitude", "longitude"))
    grids = {block: token_grid(BY_ID[block], lat, lon) for block in blocks}
    seen = {block: _look(read_atlas(folder / block, block, ("features", "examples")), names.get(block, {})) for block in blocks}
    _clear(folder)
    write_shared(folder, load_static(KINDS["static"].where(results))["lsm"], lat, lon)
    fields_of = _write_weather(folder, results, seen, grids, cell_areas(lat, len(lon)))
    progress = Progress("Drawing pages", len(blocks), "page")
    matches, saes = across_stages(results, blocks), {block: each.sae_sha256 for block, each in seen.items()}
    labels = {block: each.labels for block, each in seen.items()}
    for stage in _stages(blocks):
        decoders = {block: _decoder(results, block, seen[block]) for block in stage}
        for block in stage:
            write_block_page(
                folder, read_seeds(read_atlas(folder / block, block), results), grids[block], nearest_features(block, decoders), blocks, labels=labels,
                names=names.get(block), fields_of=fields_of[grids[block].shape], matched=matched_elsewhere(matches, block, saes),
            )
            progress.step(block)
    progress.close()
    strange = names_of_nothing(names, {block: each.keys for block, each in seen.items()})
    if strange:
        line = f"{folder / NAMES_FILE} has names that belong to nothing here: {'; '.join(strange)}."
        _LOG.warning("%s", line)
        tell([line])
    write_index_page(folder, {block: each.entry for block, each in seen.items()}, _figures(folder, results / "figures"), strange)


def _look(atlas: BlockAtlas, names: Names) -> _Seen:
    features = atlas.tables["features"]
    keys = set(zip(features["feature"].tolist(), features["sign"].tolist(), strict=True))
    return _Seen(
        index_entry(atlas, names), keys, labels_of(atlas), example_times([atlas.tables["examples"]]),
        features.loc[features["density"] > 0, "feature"].to_numpy(), bool((features["sign"] < 0).any()), atlas.summary["sae_sha256"],
    )


def _clear(folder: Path) -> None:
    """Delete pages of earlier runs, which may be of other blocks, and of other times."""
    shutil.rmtree(folder / "pages", ignore_errors=True)
    for name in ("index", *BY_ID):
        (folder / f"{name}.html").unlink(missing_ok=True)


def _write_weather(
    folder: Path, results: Path, seen: Mapping[str, _Seen], grids: Mapping[str, TokenGrid], area_y: np.ndarray
) -> dict[tuple[int, ...], list[str]]:
    """Write the weather at the times of examples, each state read once; returns the times by shape of the tokens."""
    by_shape = {grid.shape: grid for grid in grids.values()}
    planes = {shape: Plane.of(grid, area_y) for shape, grid in by_shape.items()}
    times = {shape: set[str]() for shape in by_shape}
    for block, each in seen.items():
        times[grids[block].shape].update(each.times)
    every = sorted(set().union(*times.values()))
    progress = Progress("Drawing the weather around examples", len(every), "time")
    for time in every:
        state = load_state(results / "scratch" / "cams", time)
        surface = {str(name): field.values for name, field in state.data_vars.items() if field.ndim == 2}
        for shape, grid in by_shape.items():
            if time in times[shape]:
                write_fields(folder, fields_table([time], shown_fields(surface, planes[shape])[None]), grid)
        progress.step(time)
    progress.close()
    return {shape: sorted(found) for shape, found in times.items()}


def _stages(blocks: Sequence[str]) -> Iterable[list[str]]:
    """The blocks by stage, in forward order."""
    found: dict[tuple[str, int], list[str]] = {}
    for block in blocks:
        found.setdefault((BY_ID[block].component, BY_ID[block].stage), []).append(block)
    return found.values()


def _decoder(results: Path, block: str, seen: _Seen) -> Decoder:
    path = KINDS["sae"].where(results, block=block)
    sae, record = open_sae(path)
    summary = results / "atlas" / block / "summary.json"
    if record["sha256"] != seen.sae_sha256:
        raise UserError.stale(summary, f"the atlas of the SAE {record['sha256']}", seen.sae_sha256)
    W_hd = sae.W_dec.detach().numpy()
    is_alive_h = np.zeros(len(W_hd), bool)
    is_alive_h[seen.alive] = True
    return Decoder(W_hd, is_alive_h, seen.signed)


def _figures(folder: Path, figures: Path) -> list[Figure]:
    """Copies of the figures, so that the pages need nothing outside their folder."""
    found = []
    for name, (title, alt) in _FIGURES.items():
        places = {kind: f"pages/figures/{name}.{kind}" for kind in ("png", "csv")}
        for kind, place in places.items():
            write_bytes(folder / place, _read(figures / f"{name}.{kind}"))
        found.append(Figure(places["png"], title, alt, places["csv"]))
    return found


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise UserError.stale(path, "a figure over depth", "no such file")
    return path.read_bytes()
