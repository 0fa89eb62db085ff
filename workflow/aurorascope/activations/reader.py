"""Read one store: every byte is compared with the manifest's digest before its first use."""

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from blake3 import blake3
from safetensors.numpy import load_file

from aurorascope.activations.buffers import Buffers
from aurorascope.activations.chunk import CRC_BYTES
from aurorascope.activations.encode import decode
from aurorascope.activations.manifest import (
    absence,
    check_claim,
    check_file,
    damaged,
    is_chunk,
    missing,
    read_manifest,
    unreadable,
)
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.stream import ahead, in_flight
from aurorascope.errors import UserError

# A piece is hashed while it is still in the cache of the core that read it.
_PIECE = 1 << 20


class StoreReader:
    """A verified store, read snapshot by snapshot.

    A chunk is hashed as it is read for the first time, and again whenever its size or time of change is not that of the
    last time; the bytes that were hashed are the bytes that are used.

    Args:
        manifest_path: `results/scratch/activations/<block>/<split>/manifest.json`.
        claim: what the store must hold (`claim.make_claim`), where that is known.

    Attributes:
        manifest: the manifest's content.
        paths: where the pieces of the store lie.
        n_snapshots: snapshots in the store.
        n_blocks: blocks that it has them of, one.
        n_tokens: tokens of one snapshot.
        d_model: channels.
        offset: (n_snapshots, d) float32, channel mean of each snapshot.
        scale: (n_snapshots, d) float32, power-of-two scale; `stored * scale + offset` decodes.
        parallel: whether `stored` may be called from several threads at once.
        recomputed_on: the kind of device that computes the snapshots again, where it is not the store's; else None.

    Raises:
        UserError: the manifest or a label is damaged, or the store is not the one claimed.
    """

    parallel, n_blocks = True, 1
    recomputed_on: str | None = None

    def __init__(self, manifest_path: Path, claim: dict[str, Any] | None = None) -> None:
        self.paths = StorePaths(manifest_path.parent)
        self.manifest: dict[str, Any] = read_manifest(manifest_path)
        if claim is not None:
            check_claim(self.manifest, claim, manifest_path)
        self.n_snapshots = len(self.manifest["snapshots"])
        self.n_tokens = int(np.prod(self.manifest["token_grid"]))
        self.d_model = self.manifest["d_model"]
        self._verified: dict[Path, tuple[int, ...]] = {}
        self._buffers = Buffers(in_flight())
        # Labels and metadata are few and small; moments and position means wait until somebody asks for them.
        for name in self.manifest["files"]:
            if name.startswith("store.zarr/") and not is_chunk(name):
                self._check(self.paths.folder / name)
        group = zarr.open_group(str(self.paths.zarr), mode="r")
        self.offset, self.scale = np.asarray(group["offset"][...]), np.asarray(group["scale"][...])

    def stored(self, index: int) -> np.ndarray:
        """Stored values of one snapshot, (n_tokens, d), before decoding.

        Raises:
            UserError: its chunk is missing or altered.
        """
        raw = self._chunk(self.paths.chunk(index))
        dtype = np.dtype(self.manifest["dtype"]).newbyteorder("<")
        return raw[:-CRC_BYTES].view(dtype).reshape(self.n_tokens, self.d_model)

    def read(
        self, snapshots: slice | Sequence[int] | np.ndarray = slice(None),
        tokens: slice | Sequence[int] | np.ndarray = slice(None),
    ) -> np.ndarray:
        """Decoded activations of any snapshots and tokens.

        Args:
            snapshots: a slice, or places in the store's time order.
            tokens: a slice, or places in the token grid (latent level, y, x), flattened; a boolean mask will do.

        Returns:
            (snapshots, tokens, d) float32, `stored * scale + offset`.

        Raises:
            UserError: a chunk is missing or altered.
            IndexError: a place is outside the store.
        """
        places = np.arange(self.n_snapshots)[snapshots]
        n = len(np.arange(self.n_tokens)[tokens])
        values_snd = np.empty((len(places), n, self.d_model), np.float32)
        for place, index, stored_nd in zip(range(len(places)), places, ahead(self, places.tolist()), strict=True):
            values_snd[place] = decode(stored_nd[tokens], self.offset[index], self.scale[index])
        return values_snd

    def position_mean(self) -> np.ndarray:
        """Mean over the training snapshots at each token, (n_tokens, d) float32."""
        return load_file(self._check(self.paths.position_mean))["position_mean"]

    def moments(self) -> dict[str, np.ndarray]:
        """n, channel means and centred sums of squares over all snapshots, float64."""
        return load_file(self._check(self.paths.moments))

    def forget_buffers(self) -> None:
        """Give memory back that is kept for the next `stored`; what was handed out stays valid."""
        self._buffers.clear()

    def _check(self, path: Path) -> Path:
        """The path of a file other than a chunk, once it is what the manifest says."""
        check_file(path, self.manifest["files"][str(path.relative_to(self.paths.folder))], self.paths.rebuild_command())
        return path

    def _chunk(self, path: Path) -> np.ndarray:
        """A chunk file's bytes, (size,) uint8, which the manifest vouches for."""
        expected = self.manifest["files"][str(path.relative_to(self.paths.folder))]
        rebuild = self.paths.rebuild_command()
        try:
            with open(path, "rb", buffering=0) as file:
                now = os.fstat(file.fileno())
                state = (now.st_ino, now.st_size, now.st_mtime_ns)
                digest = None if self._verified.get(path) == state else blake3()
                raw = self._buffers.take(expected["size"])
                n = _read_into(file, raw, digest) if now.st_size == expected["size"] else 0
            if n < expected["size"] or (digest is not None and digest.hexdigest() != expected["blake3"]):
                raise damaged(path, expected, rebuild)
        except FileNotFoundError:
            raise self._missing(path) from None
        except OSError as error:
            raise unreadable(path, error, rebuild) from error
        self._verified[path] = state
        return raw

    def _missing(self, path: Path) -> UserError:
        why = absence(self.paths)
        if why is None:
            return missing(path, self.paths.rebuild_command())
        return UserError(
            path, "a chunk of activations", f"none, on purpose: {self.paths.absent} says {why}",
            f"read them through Aurora (activations.opening.open_reader), or rm -f {self.paths.absent}; "
            + self.paths.rebuild_command(),
        )


def _read_into(file: io.RawIOBase, raw: np.ndarray, digest: Any) -> int:
    """Fill an array from a file, hashing it on the way where asked; returns the bytes read."""
    view, n = memoryview(raw), 0
    while n < len(raw):
        got = file.readinto(view[n : n + _PIECE])
        if not got:
            break
        if digest is not None:
            digest.update(view[n : n + got])
        n += got
    return n
