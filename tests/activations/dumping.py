"""A real `dump.fill` whose Aurora is replaced by made-up activations, in a process that a test may kill."""

import os
from pathlib import Path

import torch
from aurorascope.activations import accumulate, dump
from aurorascope.blocks import BLOCKS, BY_ID
from aurorascope.files import sha256_json, write_json
from tiny import LAT, LON, digest, tokens

from tests import forked
from tests.config.raw import put, typed

WIDTH = 16
NAMES = ("encoder_s0_b0", "encoder_s1_b5", "decoder_s2_b5")


class _Batch:
    def __init__(self, time):
        self.time = time

    def to(self, device):
        return self


def activations(time, block, grid):
    """What the made-up Aurora computes for a block, (n_tokens, d)."""
    return tokens({"key": sha256_json([time, block.id])}, grid.n_tokens, block.width(WIDTH))


def make_scratch(scratch, days):
    """Records of a training split of these days on the tiny grid, of statics and of a checkpoint."""
    axes = {"latitude": LAT.tolist(), "longitude": LON.tolist()}
    ends = {name: {"n": len(v), "first": v[0], "last": v[-1]} for name, v in axes.items()}
    write_json(scratch / "static" / "static.json", {"kind": "static", "content_sha256": digest("static"), **ends})
    checkpoint = {"kind": "checkpoint", "embed_dim": WIDTH, "sha256": digest("c")}
    write_json(scratch / "checkpoint" / "checkpoint.json", checkpoint)
    pairs = [{"time": f"2022-06-{d:02d}T12:00:00Z", "previous": f"2022-06-{d:02d}T00:00:00Z"} for d in days]
    states = {time: {"day": time[:10], "sha256": digest(time)} for pair in pairs for time in pair.values()}
    for split in ("train", "held_out"):
        record = {"kind": "states", "split": split, "snapshots": pairs, "states": states, **axes}
        write_json(scratch / "states" / f"{split}.json", record)
    return scratch


def fill(raw, scratch, mode="dump", names=NAMES, split="train", forward=None, save_every_s=None):
    """`dump.fill`; each forward is a line in `scratch/forwards` before it begins."""
    raw = put(put(raw, "aurora.embed_dim", WIDTH), "activations.mode", mode)
    if mode == "live":
        put(raw, "sae.shuffle", "snapshots")  # What live mode can do; no word of the SAE reaches a store.
    grids = {block: dump.token_grid(block, LAT, LON) for block in BLOCKS}

    def run_to_blocks(model, batch, wanted, receive):
        line = os.open(scratch / "forwards", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(line, f"{batch.time}\n".encode())
        os.close(line)
        if forward is not None:
            forward(batch.time)
        for block in wanted:
            receive(block, torch.from_numpy(activations(batch.time, block, grids[block])))

    dump.run_to_blocks = run_to_blocks
    dump.load_model = dump.load_static = lambda *_, **__: None
    dump.snapshot_batch = lambda scratch, time, previous, static: _Batch(time)
    if save_every_s is not None:
        accumulate._SAVE_EVERY_S = save_every_s
    dump.fill(typed(raw), [BY_ID[name] for name in names], split, scratch)


def forwards(scratch):
    """Times of the forwards begun so far."""
    path = Path(scratch) / "forwards"
    return path.read_text().split() if path.exists() else []


def start(*args, **options):
    """`fill` in a process of its own."""
    return forked.start(fill, *args, **options)
