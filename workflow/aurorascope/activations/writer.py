"""One store under construction: take up what is still good, add snapshots in any order, then finish it.

Every snapshot is two files written atomically, its chunk and then its part (offset, scale, moments, digests of the
chunk and of these, key over its inputs). A killed dump therefore loses at most the snapshot in flight, and a store of
another configuration is recognised snapshot by snapshot, never by hand.
"""

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from aurorascope.activations import moments, store
from aurorascope.activations.encode import decode, encode
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.verify import seal
from aurorascope.blocks import LATENT_LEVELS
from aurorascope.errors import UserError
from aurorascope.files import sha256_bytes, sha256_file, sha256_json, write_bytes, write_json
from aurorascope.tokens import TokenGrid

_LOG = logging.getLogger(__name__)


def _tensor_file(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    write_bytes(path, save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata))


def _tensor_digest(arrays: dict[str, np.ndarray]) -> str:
    return sha256_json({name: sha256_bytes(np.ascontiguousarray(array).tobytes()) for name, array in arrays.items()})


class StoreWriter:
    """Writes the store of one block and split. Use inside `paths.locked()`.

    Args:
        paths: where it lies.
        claim: what it must hold (`claim.make_claim`).
        grid: the block's token grid.
    """

    def __init__(self, paths: StorePaths, claim: dict[str, Any], grid: TokenGrid) -> None:
        self.paths, self.claim, self.grid = paths, claim, grid
        self._take_up()

    def _part_metadata(self, snapshot: dict[str, Any]) -> dict[str, str] | None:
        path = self.paths.part(snapshot["time"])
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as part:
                metadata = part.metadata() or {}
                tensors = _tensor_digest({name: part.get_tensor(name) for name in part.keys()})  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            _LOG.warning("%s is damaged (%s); its snapshot will be computed again.", path, error)
            return None
        is_good = metadata.get("key") == snapshot["key"] and metadata.get("tensors") == tensors
        return metadata if is_good else None

    def _chunks_on_disk(self) -> dict[str, Path]:
        """Chunk files by snapshot time, according to the claim they were written under."""
        if not self.paths.claim.is_file() or not self.paths.zarr.is_dir():
            return {}
        try:
            times = [s["time"] for s in json.loads(self.paths.claim.read_text())["snapshots"]]
        except ValueError:
            _LOG.warning("%s is damaged; all snapshots will be computed again.", self.paths.claim)
            return {}
        found = {time: self.paths.chunk(index) for index, time in enumerate(times)}
        return {time: path for time, path in found.items() if path.is_file()}

    def _take_up(self) -> None:
        """Bring the folder to this claim, keeping the snapshots whose inputs are unchanged."""
        on_disk = self._chunks_on_disk()
        keep: dict[int, Path] = {}
        for index, snapshot in enumerate(self.claim["snapshots"]):
            metadata, chunk = self._part_metadata(snapshot), on_disk.get(snapshot["time"])
            if metadata and chunk and sha256_file(chunk) == metadata["sha256"]:
                keep[index] = chunk
        if on_disk and len(keep) < len(on_disk):
            _LOG.info(
                "%s: %d of %d snapshots found were made from other inputs and are set aside.",
                self.paths.folder, len(on_disk) - len(keep), len(on_disk),
            )
        stale = self.paths.folder / ".stale.zarr"
        shutil.rmtree(stale, ignore_errors=True)
        for path in (self.paths.complete, self.paths.manifest):
            path.unlink(missing_ok=True)
        if self.paths.zarr.exists():
            self.paths.zarr.rename(stale)
            keep = {index: stale / path.relative_to(self.paths.zarr) for index, path in keep.items()}
        store.create(self.paths, self.claim, self.grid)
        for index, path in keep.items():
            target = self.paths.chunk(index)
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
        # Only now: a kill above leaves the old claim, under which fewer chunks are found, never wrong ones.
        write_json(self.paths.claim, self.claim)
        shutil.rmtree(stale, ignore_errors=True)
        self.missing = {i for i in range(len(self.claim["snapshots"])) if i not in keep}
        if keep:
            _LOG.info("%s: %d snapshots are already there.", self.paths.folder, len(keep))

    def add(self, index: int, tokens_nd: np.ndarray) -> None:
        """Encode and write one snapshot, (n_tokens, d) float32.

        Raises:
            UserError: the activations are of another shape or not finite.
        """
        snapshot = self.claim["snapshots"][index]
        where = f"activations of {self.claim['block']} at {snapshot['time']}"
        expected = (self.grid.n_tokens, self.claim["d_model"])
        if tokens_nd.shape != expected:
            raise UserError(where, f"shape {expected}", str(tokens_nd.shape), "report this with your configuration")
        n_bad = int((~np.isfinite(tokens_nd)).sum())
        if n_bad:
            raise UserError(
                where, "finite values", f"{n_bad} that are not", "check the checkpoint, and aurora.autocast: false"
            )
        encoded = encode(tokens_nd, self.claim["dtype"])
        chunk_digest = sha256_bytes(store.write_chunk(self.paths, index, encoded))
        decoded = encoded.decode()
        part = moments.of_tokens(decoded)
        tensors = {
            "offset": encoded.offset,
            "scale": encoded.scale,
            "mean": part.mean,
            "m2": part.m2,
            "norm_quantiles": moments.norm_quantiles(decoded, self.grid.n_levels),
            "loss": np.array([encoded.loss]),
            "max_abs": np.array([np.abs(decoded).max()], np.float64),
        }
        metadata = {"key": snapshot["key"], "sha256": chunk_digest, "tensors": _tensor_digest(tensors)}
        _tensor_file(self.paths.part(snapshot["time"]), tensors, metadata)
        self.missing.discard(index)

    def finish(self) -> None:
        """Merge moments in time order, read every chunk back once, and leave `complete.json`.

        Raises:
            UserError: a chunk is not what was written.
        """
        parts, digests = [], []
        for snapshot in self.claim["snapshots"]:
            with safe_open(self.paths.part(snapshot["time"]), framework="numpy") as file:
                parts.append({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
                digests.append(file.metadata()["sha256"])
        store.write_scales(self.paths, [p["offset"] for p in parts], [p["scale"] for p in parts])
        self._write_moments(parts)
        self._write_position_mean(parts, digests)
        snapshots = [
            {**snapshot, "sha256": digest, "roundtrip_loss": float(part["loss"][0])}
            for snapshot, digest, part in zip(self.claim["snapshots"], digests, parts, strict=True)
        ]
        quantiles = np.stack([p["norm_quantiles"] for p in parts])
        content = {
            **self.claim,
            "snapshots": snapshots,
            "token_grid": list(self.grid.shape),
            "n_nonfinite": 0,
            "max_abs": float(max(p["max_abs"][0] for p in parts)),
            "norm_quantiles": {
                level: {str(q): float(value) for q, value in zip(moments.NORM_QUANTILES, row, strict=True)}
                for level, row in zip(LATENT_LEVELS, np.median(quantiles, axis=0), strict=True)
            },
            "files": self._digests(digests),
        }
        write_json(self.paths.complete, {"claim_sha256": sha256_json(self.claim), "manifest": seal(content)})

    def _write_moments(self, parts: list[dict[str, np.ndarray]]) -> None:
        total = moments.Moments(0, np.zeros(self.claim["d_model"]), np.zeros(self.claim["d_model"]))
        for part in parts:
            total = moments.merge(total, moments.Moments(self.grid.n_tokens, part["mean"], part["m2"]))
        _tensor_file(
            self.paths.moments, {"n": np.array([total.n], np.int64), "mean": total.mean, "m2": total.m2}
        )

    def _write_position_mean(self, parts: list[dict[str, np.ndarray]], digests: list[str]) -> None:
        shape = (self.grid.n_tokens, self.claim["d_model"])
        total = np.zeros(shape)
        for index, (part, digest) in enumerate(zip(parts, digests, strict=True)):
            path = self.paths.chunk(index)
            if sha256_file(path) != digest:
                raise UserError(path, f"sha256 {digest}", "other bytes", self.paths.rebuild_command())
            total += decode(store.read_chunk(path, shape, self.claim["dtype"]), part["offset"], part["scale"])
        if self.claim["split"] == "train":
            _tensor_file(self.paths.position_mean, {"position_mean": (total / len(parts)).astype(np.float32)})

    def _digests(self, chunk_digests: list[str]) -> dict[str, dict[str, Any]]:
        """Size and digest of every file; chunks were compared with theirs a moment ago."""
        known = {self.paths.chunk(index): digest for index, digest in enumerate(chunk_digests)}
        names = [self.paths.moments] + ([self.paths.position_mean] if self.claim["split"] == "train" else [])
        files = sorted(path for path in self.paths.zarr.rglob("*") if path.is_file()) + names
        return {
            str(path.relative_to(self.paths.folder)): {
                "size": path.stat().st_size,
                "sha256": known.get(path) or sha256_file(path),
            }
            for path in files
        }
