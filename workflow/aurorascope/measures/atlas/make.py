"""Make one block's atlas from the files of earlier stages."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aurorascope.activations.feed import Feed, open_feed
from aurorascope.activations.manifest import read_manifest
from aurorascope.activations.opening import open_reader
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.atlas.encoding import Source
from aurorascope.atlas.maps import MapSettings
from aurorascope.atlas.score import score_features
from aurorascope.atlas.write import make_tables, write_atlas
from aurorascope.config.model import Config
from aurorascope.measures.atlas.claim import KIND, make_claim
from aurorascope.measures.atlas.formulas import VERDICT_METRICS
from aurorascope.measures.atlas.planes import Planes
from aurorascope.measures.atlas.settings import settings_of
from aurorascope.measures.checks import check_belongs
from aurorascope.records import KINDS
from aurorascope.sae.opening import open_sae

_LOG = logging.getLogger(__name__)


def scratch_of(results: Path) -> Path:
    """Where nameless scratch files of atlases lie."""
    return results / "scratch" / "atlas"


class _Feeds:
    """The feed that was asked for last: one that computes its snapshots again holds an Aurora, and one is enough."""

    def __init__(self, config: Config, device: torch.device) -> None:
        self._config, self._device = config, device
        self._manifest: Path | None = None
        self._feed: Feed | None = None

    def source(self, manifest: Path) -> Source:
        """A store's activations; it is opened when they are asked for."""

        def read(places: np.ndarray) -> Iterator[torch.Tensor]:
            if self._manifest != manifest:
                self._feed, self._manifest = None, manifest
                self._feed = open_feed(open_reader(manifest, self._config, self._device), self._device)
            return self._feed.snapshots(places)

        return Source([snapshot["time"] for snapshot in read_manifest(manifest)["snapshots"]], read)


def make_atlas(config: Config, block_id: str, results: Path, out: Path, device: torch.device, planes: Planes | None = None) -> None:
    """Score one block's features, and write its tables and, last, its summary.

    Args:
        config: the configuration.
        block_id: the block.
        results: the results folder, with its SAE, stores, states and labels.
        out: the folder to write, `atlas/<block>` of it or of where it waits.
        device: where SAE and activations are.
        planes: labels and variables that other blocks have read; None reads them.

    Raises:
        UserError: SAE, stores, labels or their files are missing, damaged or do not belong together.
    """
    claim, scratch = make_claim(config, block_id, results), results / "scratch"
    path = KINDS["sae"].where(results, block=block_id)
    sae, record = open_sae(path)
    manifests = {split: StorePaths.of(scratch, block_id, split).manifest for split in ("train", "held_out")}
    flags = check_belongs(record, path, *(StoreReader(each) for each in manifests.values()), config.cams.gap_hours)
    planes = Planes(config, results, scratch_of(results), [block_id]) if planes is None else planes
    grid = planes.grid(block_id)
    labels, on_plane = planes.of(grid)
    feeds = _Feeds(config, device)
    train, held_out = (feeds.source(manifest) for manifest in manifests.values())
    scored = score_features(
        sae.to(device), train, labels["train"], settings_of(config), scratch_of(results),
        held_out=(held_out, labels["held_out"]), on_plane=on_plane,
    )
    tables, summary = make_tables(scored, sae, grid, maps=MapSettings())
    if summary["verdict"] != "calibrated":
        _LOG.warning("%s: no feature has a label, since the verdict on the whole is %r.", block_id, summary["verdict"])
    metrics = _metrics(tables["features"], summary)
    write_atlas(out, tables, {"metrics": metrics, "label_kinds": planes.kinds, "flags": flags, **summary, **claim})


def _metrics(features: Any, summary: dict[str, Any]) -> dict[str, int | None]:
    """What the index says of an atlas."""
    shown = features[features["label"] != ""]["verdict"]
    is_scored = summary["splits"]["reason"] is None
    counts = {name: int((shown == word).sum()) if is_scored else None for name, word in VERDICT_METRICS.items()}
    return {"n_atlas_alive": summary["n_alive"], **counts}


def folder_of(results: Path, block_id: str) -> Path:
    """Folder of a block's atlas."""
    return KIND.where(results, block=block_id).parent
