"""What a store must hold, said before any activation exists, from small records alone.

A dump, its verification and every reader compare a store with its claim. Nothing heavy is imported here: the dump job
of a store that `fill_activations` has already filled costs one pass of BLAKE3 and a fraction of a second.
"""

from pathlib import Path
from typing import Any

from aurorascope.activations.manifest import FORMAT
from aurorascope.blocks import Block
from aurorascope.config.model import Config
from aurorascope.config.stages import stage_digest
from aurorascope.errors import UserError
from aurorascope.files import read_record, sha256_json


def _check_grids(states: dict[str, Any], static: dict[str, Any], scratch: Path) -> None:
    for axis in ("latitude", "longitude"):
        values, fields = states[axis], static[axis]
        mine = (len(values), values[0], values[-1])
        theirs = (fields["n"], fields["first"], fields["last"])
        # Files keep axes in single precision now and then.
        if mine[0] != theirs[0] or any(abs(a - b) > 1e-3 for a, b in zip(mine, theirs, strict=True)):
            raise UserError(
                scratch / "static" / "static.json", f"static fields on the states' {axis} (n, first, last) {mine}",
                str(theirs), "give static.path a file on the grid of the CAMS states",
            )


def make_claim(config: Config, block: Block, split: str, scratch: Path) -> dict[str, Any]:
    """The content-only description of one store.

    Returns:
        Block, width, precision, digests of everything the numbers depend on, and the snapshots in time order, each
        with a key over all of its inputs.

    Raises:
        UserError: a record of states, statics or checkpoint under `scratch` is missing or damaged.
    """
    states = read_record(scratch / "states" / f"{split}.json", "states")
    checkpoint = read_record(scratch / "checkpoint" / "checkpoint.json", "checkpoint")
    static = read_record(scratch / "static" / "static.json", "static")
    _check_grids(states, static, scratch)
    common = {
        "format": FORMAT,
        "block": block.id,
        "d_model": block.width(checkpoint["embed_dim"]),
        "dtype": config.activations.dtype,
        "checkpoint_sha256": checkpoint["sha256"],
        "static_sha256": static["content_sha256"],
        "config_sha256": stage_digest(config, "dump_activations"),
    }
    snapshots = []
    for snapshot in states["snapshots"]:
        inputs = [states["states"][snapshot[name]]["sha256"] for name in ("previous", "time")]
        key = sha256_json({**common, "time": snapshot["time"], "inputs": inputs})
        snapshots.append({"time": snapshot["time"], "previous": snapshot["previous"], "inputs": inputs, "key": key})
    return {**common, "split": split, "snapshots": snapshots}
