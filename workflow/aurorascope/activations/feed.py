"""Feed snapshots of one store to training and evaluation: from memory where they fit, else from disk.

Both sources give the same values in the same order. The order of an epoch is a function of (seed, epoch) alone, the
same for every block, so that one read can serve many.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil
import torch
import zarr
from safetensors.numpy import load_file

from aurorascope.activations import store
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.verify import read_manifest
from aurorascope.errors import UserError
from aurorascope.files import sha256_file

_ORDER_STREAM = 1
_MEMORY_SHARE = 0.4


def epoch_order(seed: int, epoch: int, n: int) -> np.ndarray:
    """Order of `n` items in one epoch, a permutation that depends on (seed, epoch) alone."""
    return np.random.default_rng([_ORDER_STREAM, seed, epoch]).permutation(n)


class StoreReader:
    """A verified store, read snapshot by snapshot.

    Each file's digest is compared with the manifest before its first use.

    Attributes:
        manifest: the manifest's content.
        n_snapshots: snapshots in the store.
        n_tokens: tokens of one snapshot.
        d_model: channels.
    """

    def __init__(self, manifest_path: Path) -> None:
        self.paths = StorePaths(manifest_path.parent)
        self.manifest: dict[str, Any] = read_manifest(manifest_path)
        self.n_snapshots = len(self.manifest["snapshots"])
        self.n_tokens = int(np.prod(self.manifest["token_grid"]))
        self.d_model = self.manifest["d_model"]
        self._verified: set[Path] = set()
        for name in self.manifest["files"]:
            if not name.startswith("store.zarr/activation/c/"):
                self._verify(self.paths.folder / name)
        group = zarr.open_group(str(self.paths.zarr), mode="r")
        self.offset, self.scale = np.asarray(group["offset"][...]), np.asarray(group["scale"][...])

    def _verify(self, path: Path) -> None:
        if path in self._verified:
            return
        expected = self.manifest["files"][str(path.relative_to(self.paths.folder))]["sha256"]
        if not path.is_file():
            raise UserError(path, "a file of the store", "no such file", self.paths.rebuild_command())
        found = sha256_file(path)
        if found != expected:
            raise UserError(path, f"sha256 {expected}", f"sha256 {found}", self.paths.rebuild_command())
        self._verified.add(path)

    def stored(self, index: int) -> np.ndarray:
        """Stored values of one snapshot, (n_tokens, d), before decoding."""
        path = self.paths.chunk(index)
        self._verify(path)
        return store.read_chunk(path, (self.n_tokens, self.d_model), self.manifest["dtype"])

    def position_mean(self) -> np.ndarray:
        """Mean over the training snapshots at each token, (n_tokens, d) float32."""
        return load_file(self.paths.position_mean)["position_mean"]

    def moments(self) -> dict[str, np.ndarray]:
        """n, channel means and centred sums of squares over all snapshots, float64."""
        return load_file(self.paths.moments)


class Feed(Protocol):
    """Batches of decoded tokens."""

    n_snapshots: int

    def snapshots(self, order: np.ndarray) -> Iterator[torch.Tensor]:
        """Decoded snapshots in the given order, each (n_tokens, d) float32."""

    def rows(self, order: np.ndarray, batch: int) -> Iterator[torch.Tensor]:
        """Decoded rows in the given order over all snapshots, `batch` at a time."""


class _Base:
    def __init__(self, reader: StoreReader, device: torch.device) -> None:
        self.reader, self.device, self.n_snapshots = reader, device, reader.n_snapshots
        self.offset = torch.from_numpy(reader.offset).to(device)
        self.scale = torch.from_numpy(reader.scale).to(device)

    def _decode(self, stored: torch.Tensor, index: int | torch.Tensor) -> torch.Tensor:
        # A copy also of what is float32 already: the resident values must not change in place.
        return stored.to(torch.float32, copy=True).mul_(self.scale[index]).add_(self.offset[index])


class ResidentFeed(_Base):
    """All stored values in memory (host or GPU), decoded on use."""

    def __init__(self, reader: StoreReader, device: torch.device) -> None:
        super().__init__(reader, device)
        self.stored_sld = torch.stack(
            [torch.from_numpy(reader.stored(i).copy()).to(device) for i in range(reader.n_snapshots)]
        )

    def snapshots(self, order: np.ndarray) -> Iterator[torch.Tensor]:
        """See `Feed`."""
        for index in order.tolist():
            yield self._decode(self.stored_sld[index], index)

    def rows(self, order: np.ndarray, batch: int) -> Iterator[torch.Tensor]:
        """See `Feed`."""
        flat = self.stored_sld.flatten(0, 1)
        for start in range(0, len(order), batch):
            rows = torch.from_numpy(order[start : start + batch]).to(self.device)
            yield self._decode(flat[rows], rows // self.reader.n_tokens)


class StreamFeed(_Base):
    """Snapshots read from disk each time."""

    def snapshots(self, order: np.ndarray) -> Iterator[torch.Tensor]:
        """See `Feed`."""
        for index in order.tolist():
            yield self._decode(torch.from_numpy(self.reader.stored(index).copy()).to(self.device), index)

    def rows(self, order: np.ndarray, batch: int) -> Iterator[torch.Tensor]:
        """Refused: rows across the year need the year in memory."""
        raise UserError(
            "config key sae.shuffle",
            "activations that fit in memory, since rows are drawn across all snapshots",
            f"a store of {self.reader.n_snapshots} snapshots that do not fit",
            "set sae.shuffle: snapshots, or use a machine with more memory",
        )


def open_feed(reader: StoreReader, device: torch.device) -> ResidentFeed | StreamFeed:
    """The resident feed where the stored values take at most 40 % of the free memory of the device, else the stream."""
    needed = reader.n_snapshots * reader.n_tokens * reader.d_model * np.dtype(reader.manifest["dtype"]).itemsize
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available
    return ResidentFeed(reader, device) if needed <= _MEMORY_SHARE * free else StreamFeed(reader, device)
