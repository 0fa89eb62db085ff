"""How well an SAE's features follow the atlas's labels, for benchmarks/architectures.py: the atlas's own scores, of an SAE in memory."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import yaml
from aurorascope.activations.feed import StoreReader, open_feed
from aurorascope.atlas.encoding import Source
from aurorascope.atlas.score import score_features
from aurorascope.atlas.storyline import storyline_rows
from aurorascope.atlas.write import make_tables
from aurorascope.config.model import from_mapping
from aurorascope.config.resolve import resolve
from aurorascope.measures.atlas.planes import Planes
from aurorascope.measures.atlas.settings import settings_of
from aurorascope.sae.aurora_sae import AuroraSAE

ROOT = Path(__file__).parents[1]


class LabelScores:
    """Labels of a finished demo, and what they are on the tokens of some blocks.

    Args:
        results: the demo's results.
        block_ids: the blocks.
    """

    def __init__(self, results: Path, block_ids: list[str]) -> None:
        self._config = from_mapping(resolve(yaml.safe_load((ROOT / "config.yaml").read_text()))[0])
        self._stores, self._folder = results / "scratch" / "activations", Path(tempfile.mkdtemp())
        self._planes = Planes(self._config, results, self._folder, block_ids)

    def _source(self, block_id: str, split: str) -> Source:
        reader = StoreReader(self._stores / block_id / split / "manifest.json")
        feed = open_feed(reader, torch.device("cpu"))

        def read(places: np.ndarray) -> Iterator[torch.Tensor]:
            return feed.snapshots(places)

        return Source([snapshot["time"] for snapshot in reader.manifest["snapshots"]], read)

    def of(self, sae: AuroraSAE, block_id: str) -> tuple[float, int, int]:
        """Mean F1 on the test dates of each label's best feature, chosen on other dates, controls left out; features that follow events
        beyond both nulls, whether or not something simpler keeps them from a label; and features with a label.
        """
        grid = self._planes.grid(block_id)
        labels, on_plane = self._planes.of(grid)
        scored = score_features(
            sae, self._source(block_id, "train"), labels["train"], settings_of(self._config), self._folder,
            held_out=(self._source(block_id, "held_out"), labels["held_out"]), on_plane=on_plane,
        )
        tables, summary = make_tables(scored, sae, grid)
        rows = storyline_rows(block_id, summary, tables["features"], tables["labels"])
        rows = rows[(rows["status"] == "ok") & ~rows["label"].str.startswith("control_")]
        features = tables["features"]
        is_event, is_labelled = features["verdict"] == "event", features["label"] != ""
        return float(rows["f1_test"].fillna(0).mean()), int(is_event.sum()), int(is_labelled.sum())
