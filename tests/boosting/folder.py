"""A results folder with stores, labels and a first SAE of planted tokens, some of which have a direction that is rare."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from aurorascope.activations.feed import ResidentFeed
from aurorascope.activations.manifest import publish
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.activations.writer import StoreWriter
from aurorascope.blocks import BY_ID
from aurorascope.config.resolve import LABEL_WEIGHT
from aurorascope.config.thresholds import DEMO
from aurorascope.files import write_json
from aurorascope.labels.all import label_dataset
from aurorascope.labels.claim import MadeFrom
from aurorascope.labels.write import write_day
from aurorascope.training.export import export
from tiny import LAT, LON, claim, grid

from tests.config.raw import typed
from tests.trained import train

CPU = torch.device("cpu")
BLOCK, D, LABEL = "encoder_s0_b1", 8, "smoke"
DAYS = {"train": range(3, 9), "held_out": (20, 21)}
RAW = {
    "cams": {"train": {"start": "2022-06-03", "end": "2022-06-08"}, "held_out": {"dates": ["2022-06-20", "2022-06-21"]}},
    "sae": {"recipe": "tuned", "architecture": "topk", "expansion": 2, "target_l0": 2, "batch_rows": 64, "epochs": 8, "dead_snapshots": 4},
}
CELLS = grid(BLOCK)
# Under the label: two tokens of 72, in all four levels.
N_UNDER = 2 * 4
_RNG = np.random.default_rng(5)
USUAL_KD = np.linalg.qr(_RNG.standard_normal((D, D)))[0][:6]
RARE_D = _RNG.standard_normal(D) / np.sqrt(D)


def under(day: int) -> np.ndarray:
    """Which tokens of a level are under the label on a day, (rows, columns) bool: another place each day."""
    mask_yx = np.zeros(CELLS.shape[1:], bool)
    mask_yx[day % 6, (np.arange(2) + day) % 12] = True
    return mask_yx


def planted(day: int) -> np.ndarray:
    """Tokens of a day, (n_tokens, d): two of six usual directions each, and a rare one under the label."""
    rng = np.random.default_rng([7, day])
    codes_nk = rng.uniform(1, 2, (CELLS.n_tokens, 6)) * (rng.random((CELLS.n_tokens, 6)).argsort(axis=1) < 2)
    rare_n = np.broadcast_to(under(day), CELLS.shape).reshape(-1) * rng.uniform(2, 3, CELLS.n_tokens)
    noise_nd = 0.05 * rng.standard_normal((CELLS.n_tokens, D))
    return (codes_nk @ USUAL_KD + rare_n[:, None] * RARE_D + noise_nd + 3).astype(np.float32)


def make_planted_store(folder: Path, split: str, **changes) -> Path:
    """A published store of the split's days; returns its manifest."""
    paths, content = StorePaths(folder), claim(DAYS[split], block_id=BLOCK, split=split, d_model=D, **changes)
    with paths.locked():
        writer = StoreWriter(paths, content, CELLS)
        for index, day in enumerate(DAYS[split]):
            writer.add(index, planted(day))
        writer.finish()
    publish(paths)
    return paths.manifest


def write_labels(results: Path, day: int, mask_yx: np.ndarray | None = None) -> None:
    """Labels of a day: cells of the tokens that are under it."""
    mask_yx = np.kron(under(day), np.ones((3, 3), bool)) if mask_yx is None else mask_yx
    # The last row of cells is under no token.
    mask_yx = np.concatenate([mask_yx, np.zeros((len(LAT) - len(mask_yx), len(LON)), bool)])[None]
    field_yx = np.zeros(mask_yx.shape, np.float32)
    date = f"2022-06-{day:02d}"
    axes = np.datetime64(f"{date}T12"), np.asarray(LAT), np.asarray(LON)
    data = label_dataset([LABEL], *axes, mask_yx, mask_yx.astype(np.uint16), field_yx)
    write_day(results / "scratch" / "labels", date, [data], DEMO, MadeFrom({}, "c" * 64, "d" * 64))


class Folder:
    """The folder.

    Attributes:
        results: its path.
        config: without a boost.
        block: the block.
    """

    def __init__(self, results: Path) -> None:
        self.results, self.config, self.block = results, typed(RAW), BY_ID[BLOCK]
        for split, days in DAYS.items():
            make_planted_store(self.store(split).parent, split)
            states = {"kind": "states", "latitude": LAT.tolist(), "longitude": LON.tolist()}
            write_json(results / "scratch" / "states" / f"{split}.json", states)
            for day in days:
                write_labels(results, day)
        reader = StoreReader(self.store("train"))
        export(self.config, self.block, train(ResidentFeed(reader, CPU), self.block, self.config.sae), reader, results)

    def store(self, split: str) -> Path:
        """Manifest of a split's store."""
        return StorePaths.of(self.results / "scratch", BLOCK, split).manifest

    def boosted(self, **boost):
        """The configuration with a boost."""
        sae = dataclasses.replace(self.config.sae, boost=dataclasses.replace(self.config.sae.boost, **{"label_weight": LABEL_WEIGHT, **boost}))
        return dataclasses.replace(self.config, sae=sae)
