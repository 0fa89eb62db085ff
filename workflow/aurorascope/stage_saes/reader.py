"""The training activations of a stage's blocks as one store: every block's, in units of its own mean and spread.

Blocks of a stage are of equal width but not of equal size: what each adds to the residual stream makes the next one's larger. In units of
x' = (x - mean_b) / s_b, with the block's training mean and the root of its mean variance over channels, each counts alike.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from aurorascope.activations.encode import decode
from aurorascope.activations.opening import open_reader
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.reader import StoreReader
from aurorascope.activations.stream import ahead
from aurorascope.blocks import Block
from aurorascope.config.model import Config
from aurorascope.errors import UserError
from aurorascope.files import sha256_json

# What makes two stores parts of one: all but block, snapshots' digests and files.
_SAME = ("checkpoint_sha256", "static_sha256", "config_sha256", "dtype", "token_grid", "d_model")


class StageReader:
    """Several blocks' stores, read as `StoreReader` is: block b's snapshot s is at the place n_blocks * s + b.

    Args:
        readers: one a block, of the same snapshots, in forward order.
        normalise: whether each block is read in units of its own mean and spread.

    Attributes:
        readers: the same.
        n_blocks: their number.
        mean_bd: (n_blocks, d) float64, what is subtracted of each.
        scale_b: (n_blocks,), what it is divided by; a float32 in a float.
        manifest: block ids under `block`, precision, and under `sha256` the digest of the blocks' manifests'.
        paths: of the first block's store, for the folder that all lie in.
        n_snapshots, n_tokens, d_model, offset, scale, parallel, recomputed_on: as of `StoreReader`, n_snapshots of all blocks together.

    Raises:
        UserError: they differ in anything but their block.
    """

    def __init__(self, readers: Sequence[StoreReader], normalise: bool) -> None:
        self.readers, first = tuple(readers), readers[0]
        self.n_blocks, self.n_tokens, self.d_model, self.paths = len(readers), first.n_tokens, first.d_model, first.paths
        self._check_alike()
        found = [reader.moments() for reader in readers]
        self.mean_bd = np.zeros((self.n_blocks, self.d_model))
        self.scale_b = [1.0] * self.n_blocks
        if normalise:
            self.mean_bd = np.stack([moments["mean"] for moments in found])
            self.scale_b = [_spread(moments) for moments in found]
        self._moments = found
        self.n_snapshots = self.n_blocks * first.n_snapshots
        # Block fastest, as snapshots are counted; in float64 till the last step.
        offset_sbd = np.stack([reader.offset for reader in readers], axis=1).astype(np.float64) - self.mean_bd
        scale_sbd = np.stack([reader.scale for reader in readers], axis=1).astype(np.float64)
        by_1b1 = np.asarray(self.scale_b)[None, :, None]
        flat = (self.n_snapshots, self.d_model)
        self.offset = (offset_sbd / by_1b1).reshape(flat).astype(np.float32)
        self.scale = (scale_sbd / by_1b1).reshape(flat).astype(np.float32)
        self.manifest = {
            "block": ", ".join(reader.manifest["block"] for reader in readers),
            "dtype": first.manifest["dtype"],
            "sha256": sha256_json([reader.manifest["sha256"] for reader in readers]),
        }
        self.parallel = all(reader.parallel for reader in readers)
        self.recomputed_on = next((reader.recomputed_on for reader in readers if reader.recomputed_on), None)

    def _check_alike(self) -> None:
        first = self.readers[0]
        times = [snapshot["time"] for snapshot in first.manifest["snapshots"]]
        for reader in self.readers[1:]:
            for key in _SAME:
                if reader.manifest[key] != first.manifest[key]:
                    raise UserError(
                        reader.paths.manifest, f"{key} {first.manifest[key]}, as {first.paths.manifest} has it",
                        str(reader.manifest[key]), reader.paths.rebuild_command(),
                    )
            if [snapshot["time"] for snapshot in reader.manifest["snapshots"]] != times:
                raise UserError(
                    reader.paths.manifest, f"the {len(times)} snapshots of {first.paths.manifest}", "others",
                    reader.paths.rebuild_command(),
                )

    def stored(self, index: int) -> np.ndarray:
        """Stored values of one block's snapshot, (n_tokens, d), before decoding.

        Raises:
            UserError: its chunk is missing or altered.
        """
        return self.readers[index % self.n_blocks].stored(index // self.n_blocks)

    def read(self, places: Sequence[int]) -> np.ndarray:
        """Decoded snapshots in the units of their blocks, (len(places), n_tokens, d) float32.

        Raises:
            UserError: a chunk is missing or altered.
        """
        found = [decode(stored_nd, self.offset[i], self.scale[i]) for i, stored_nd in zip(places, ahead(self, places), strict=True)]
        return np.stack(found)

    def moments(self) -> dict[str, np.ndarray]:
        """n, channel means and centred sums of squares of all blocks together in these units, float64."""
        n_b1 = np.array([[float(moments["n"][0])] for moments in self._moments])
        means = np.stack([moments["mean"] for moments in self._moments])
        by_b1 = np.asarray(self.scale_b)[:, None]
        mean_bd, m2_bd = (means - self.mean_bd) / by_b1, np.stack([moments["m2"] for moments in self._moments]) / by_b1**2
        mean_d = (n_b1 * mean_bd).sum(axis=0) / n_b1.sum()
        return {"n": n_b1.sum(keepdims=True)[0], "mean": mean_d, "m2": (m2_bd + n_b1 * (mean_bd - mean_d) ** 2).sum(axis=0)}

    def forget_buffers(self) -> None:
        """As of `StoreReader`."""
        for reader in self.readers:
            reader.forget_buffers()


def _spread(moments: dict[str, np.ndarray]) -> float:
    """Root of the mean variance over channels, as a training of the block alone divides by."""
    variance = float(moments["m2"].sum() / moments["n"][0] / len(moments["mean"]))
    return float(np.float32(math.sqrt(variance))) or 1.0


def open_stage(blocks: Sequence[Block], config: Config, scratch: Path, split: str, device: torch.device) -> list[StoreReader]:
    """Readers of the blocks' stores; where chunks are absent on purpose, one forward of Aurora serves all blocks that ask for a snapshot.

    Raises:
        UserError: a store is damaged, or of another configuration.
    """
    paths = {block: StorePaths.of(scratch, block.id, split) for block in blocks}
    absent = [block for block in blocks if paths[block].absent.is_file()]
    if not absent:
        return [open_reader(paths[block].manifest, config, device) for block in blocks]
    # Imported only where snapshots must be computed again: Aurora costs 6 s and 1 GB.
    from aurorascope.activations.live import Forwards, LiveReader

    forwards = Forwards(config, scratch, absent, device)
    return [
        LiveReader(paths[block].manifest, config, device, forwards) if block in absent else open_reader(paths[block].manifest, config, device)
        for block in blocks
    ]
