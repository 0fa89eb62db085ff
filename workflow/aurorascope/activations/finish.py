"""The last step of a store: merge what its snapshots left, in time order, and write down what every file holds."""

from typing import Any

import numpy as np

from aurorascope.activations import moments, store
from aurorascope.activations.accumulate import PositionSum
from aurorascope.activations.chunk import CRC_BYTES
from aurorascope.activations.encode import decoded_blocks
from aurorascope.activations.manifest import seal
from aurorascope.activations.parts import read_part, write_tensors
from aurorascope.activations.paths import StorePaths
from aurorascope.errors import UserError
from aurorascope.files import blake3_file, disk_errors, sha256_json, write_json
from aurorascope.spec import LATENT_LEVELS
from aurorascope.tokens import TokenGrid

_Arrays = dict[str, np.ndarray]


def finish_store(
    paths: StorePaths, claim: dict[str, Any], grid: TokenGrid, keep_chunks: bool, position_sum: PositionSum | None
) -> None:
    """Leave `complete.json` in a store that has all its snapshots.

    Args:
        paths: the store.
        claim: what it holds.
        grid: the block's token grid.
        keep_chunks: whether its chunks are there, to be read back once; otherwise a marker says that they are not.
        position_sum: the sum over all snapshots, for a training store without chunks.

    Raises:
        UserError: a chunk is not what was written, or the disk is full.
    """
    parts, digests = [], []
    for snapshot in claim["snapshots"]:
        arrays, found = read_part(paths.part(snapshot["time"]))
        parts.append(arrays)
        digests.append(found["blake3"])
    with disk_errors(paths.zarr):
        store.write_scales(paths, [p["offset"] for p in parts], [p["scale"] for p in parts])
    _write_moments(paths, claim, grid, parts)
    total_nd = position_sum.total_nd if position_sum is not None else None
    if keep_chunks:
        total_nd = _read_back(paths, claim, grid, parts, digests)
    if claim["split"] == "train":
        write_tensors(paths.position_mean, {"position_mean": (total_nd / len(parts)).astype(np.float32)})
    content = {
        **claim,
        "snapshots": [
            {**snapshot, "blake3": digest, "roundtrip_loss": float(part["loss"][0])}
            for snapshot, digest, part in zip(claim["snapshots"], digests, parts, strict=True)
        ],
        "token_grid": list(grid.shape),
        "n_nonfinite": 0,
        "max_abs": float(max(p["max_abs"][0] for p in parts)),
        **_norm_quantiles(parts),
        "files": _files(paths, claim, grid, digests),
    }
    if not keep_chunks:
        write_json(paths.absent, {"kind": "absent", "why": "live"})
    write_json(paths.complete, {"claim_sha256": sha256_json(claim), "manifest": seal(content)})
    paths.accumulated.unlink(missing_ok=True)


def _write_moments(paths: StorePaths, claim: dict[str, Any], grid: TokenGrid, parts: list[_Arrays]) -> None:
    total = moments.Moments(0, np.zeros(claim["d_model"]), np.zeros(claim["d_model"]))
    for part in parts:
        total = moments.merge(total, moments.Moments(grid.n_tokens, part["mean"], part["m2"]))
    write_tensors(paths.moments, {"n": np.array([total.n], np.int64), "mean": total.mean, "m2": total.m2})


def _read_back(
    paths: StorePaths, claim: dict[str, Any], grid: TokenGrid, parts: list[_Arrays], digests: list[str]
) -> np.ndarray | None:
    """Compare every chunk with what was written; for the training split, the sum at each token, (n_tokens, d)."""
    shape = (grid.n_tokens, claim["d_model"])
    is_train = claim["split"] == "train"
    total_nd = np.zeros(shape) if is_train else None
    for index, (part, digest) in enumerate(zip(parts, digests, strict=True)):
        path = paths.chunk(index)
        if blake3_file(path) != digest:
            raise UserError(path, f"blake3 {digest}", "other bytes", paths.rebuild_command())
        if is_train:
            stored_nd = store.read_chunk(path, shape, claim["dtype"])
            for rows, decoded_rd in decoded_blocks(stored_nd, part["offset"], part["scale"]):
                total_nd[rows] += decoded_rd
    return total_nd


def _norm_quantiles(parts: list[_Arrays]) -> dict[str, Any]:
    """Medians over the snapshots of the quantiles of each, by level, and by level and band."""
    by_level = np.median(np.stack([p["norm_quantiles"] for p in parts]), axis=0)
    by_band = np.median(np.stack([p["norm_quantiles_by_band"] for p in parts]), axis=0)
    return {
        "norm_quantiles": {level: _named(row) for level, row in zip(LATENT_LEVELS, by_level, strict=True)},
        "norm_quantiles_by_band": {
            level: {band: _named(row) for band, row in zip(moments.BANDS, rows, strict=True) if not np.isnan(row).any()}
            for level, rows in zip(LATENT_LEVELS, by_band, strict=True)
        },
    }


def _named(row: np.ndarray) -> dict[str, float]:
    return {str(q): float(value) for q, value in zip(moments.NORM_QUANTILES, row, strict=True)}


def _files(paths: StorePaths, claim: dict[str, Any], grid: TokenGrid, digests: list[str]) -> dict[str, dict[str, Any]]:
    """Size and digest of every file; chunks, there or not, are those that were hashed when they were encoded."""
    size = grid.n_tokens * claim["d_model"] * np.dtype(claim["dtype"]).itemsize + CRC_BYTES
    chunks = {paths.chunk(index): {"size": size, "blake3": digest} for index, digest in enumerate(digests)}
    others = [paths.moments] + ([paths.position_mean] if claim["split"] == "train" else [])
    others += [path for path in paths.zarr.rglob("*") if path.is_file() and path not in chunks]
    found = chunks | {path: {"size": path.stat().st_size, "blake3": blake3_file(path)} for path in others}
    return {str(path.relative_to(paths.folder)): found[path] for path in sorted(found)}
