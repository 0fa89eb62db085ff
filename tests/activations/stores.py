"""The days of the tests' stores, what such a store holds, and a writer on one."""

import numpy as np
from aurorascope.activations.encode import encode
from aurorascope.activations.paths import StorePaths
from aurorascope.activations.writer import StoreWriter
from tiny import grid, tokens

DAYS = (3, 4, 5, 6)


def content_of(folder):
    """Bytes of the files that make a store, by name; lock, claim and parts left out."""
    names = ["manifest.json", "moments.safetensors", "position_mean.safetensors"]
    files = [folder / name for name in names] + sorted(p for p in (folder / "store.zarr").rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def decoded(content):
    """What a reader must find: each snapshot encoded and decoded on its own, (time, n_tokens, d)."""
    cells = grid(content["block"])
    values = [tokens(s, cells.n_tokens, content["d_model"]) for s in content["snapshots"]]
    return np.stack([encode(v, content["dtype"]).decode() for v in values])


def writer_on(folder, content):
    return StoreWriter(StorePaths(folder), content, grid(content["block"]))


def add(writer, *indices):
    for index in indices:
        snapshot = writer.claim["snapshots"][index]
        writer.add(index, tokens(snapshot, writer.grid.n_tokens, writer.claim["d_model"]))
