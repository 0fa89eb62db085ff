"""Tiny activation stores on a 19 x 36 grid, for tests of whatever writes or reads stores."""

import hashlib
from pathlib import Path

import numpy as np
from aurorascope.activations.manifest import FORMAT, publish
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.writer import StoreWriter
from aurorascope.blocks import BY_ID
from aurorascope.files import sha256_json
from aurorascope.tokens import TokenGrid, token_grid

BLOCK = "encoder_s2_b0"
LAT, LON = np.linspace(90, -90, 19), np.arange(36) * 10.0
D_MODEL = 6


def grid(block_id: str = BLOCK) -> TokenGrid:
    """Tokens of a block on the tiny grid: 288, 72 or 24."""
    return token_grid(BY_ID[block_id], LAT, LON)


def digest(text: str) -> str:
    """A made-up sha256."""
    return hashlib.sha256(text.encode()).hexdigest()


def claim(days, block_id=BLOCK, split="train", d_model=D_MODEL, dtype="float16", salt=None, checkpoint="c") -> dict:
    """A claim as `make_claim` builds it; `salt` maps a day to a change of that day's inputs."""
    common = {
        "format": FORMAT,
        "block": block_id,
        "d_model": d_model,
        "dtype": dtype,
        "checkpoint_sha256": digest(checkpoint),
        "static_sha256": digest("static"),
        "config_sha256": digest("config"),
    }
    snapshots = []
    for day in days:
        time, previous = f"2022-06-{day:02d}T12:00:00Z", f"2022-06-{day:02d}T00:00:00Z"
        inputs = [digest(name + (salt or {}).get(day, "")) for name in (previous, time)]
        key = sha256_json({**common, "time": time, "inputs": inputs})
        snapshots.append({"time": time, "previous": previous, "inputs": inputs, "key": key})
    return {**common, "split": split, "snapshots": snapshots}


def tokens(snapshot: dict, n_tokens: int, d_model: int) -> np.ndarray:
    """The activations that a snapshot's key stands for: a function of the key alone."""
    rng = np.random.default_rng(int(snapshot["key"][:8], 16))
    return (rng.standard_normal((n_tokens, d_model)) * 3 + np.arange(d_model) * 10).astype(np.float32)


def fill(paths: StorePaths, content: dict, order=None) -> list[int]:
    """Compute what is missing of a store and finish it; returns the indices computed."""
    cells = grid(content["block"])
    with paths.locked():
        writer = StoreWriter(paths, content, cells)
        todo = sorted(writer.missing) if order is None else [i for i in order if i in writer.missing]
        for index in todo:
            writer.add(index, tokens(content["snapshots"][index], cells.n_tokens, content["d_model"]))
        writer.finish()
    return todo


def make_store(folder: Path, content: dict, order=None) -> Path:
    """A published store; returns its manifest."""
    paths = StorePaths(folder)
    fill(paths, content, order)
    publish(paths)
    return paths.manifest
