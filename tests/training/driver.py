"""One training in a process of its own, to be killed.

Its folder gets the checkpoint, a journal (a line for each start of training, each resumption and each step) and, at the end,
result.json with digests of weights and log.
"""

import dataclasses
from pathlib import Path

import torch
from aurorascope.activations.reader import StoreReader
from aurorascope.blocks import BY_ID
from aurorascope.files import sha256_bytes, write_json
from aurorascope.sae.digest import tensor_digest
from aurorascope.training.job import TrainingJob
from aurorascope.training.trainer import Trainer

from tests.config.raw import typed
from tests.training.settings import of

# 3 epochs of 40 steps, each followed by a checkpoint of about 1 MB; latents die early and are revived.
CONFIG = of(
    "batchtopk", epochs=3, target_l0=8.0, shuffle="rows", batch_rows=36, normalise=True, init="tied", project=True,
    warm_up=0.1, decay=0.2, revive="auxk", dead_snapshots=1, checkpoint_minutes=1e-9,
)
RAW = {"cams": {"train": {"start": "2022-06-03", "end": "2022-06-07"}, "held_out": {"dates": ["2022-06-20"]}}}


def noted(journal: Path) -> None:
    """Let trainers write what they do into the journal, past any buffer of this process."""
    step, load = Trainer.step, Trainer.load

    def note(text: str) -> None:
        with journal.open("a") as file:
            file.write(f"{text}\n")

    def noted_step(self, *args):
        step(self, *args)
        note(f"step {self.t}")

    def noted_load(self, tensors, at):
        load(self, tensors, at)
        note(f"resumed {at}")

    Trainer.step, Trainer.load = noted_step, noted_load
    note("started")


def train(manifest: Path, place: Path) -> None:
    """Train, or go on training, and write the result."""
    torch.set_num_threads(1)
    reader = StoreReader(manifest)
    block = BY_ID[reader.manifest["block"]]
    noted(place / "journal")
    config = dataclasses.replace(typed(RAW), sae=CONFIG)
    trained, _ = TrainingJob(config, block, reader, place / "training", torch.device("cpu")).run()
    log = trained.log.to_csv(float_format="%.9g").encode()
    write_json(place / "result.json", {"weights": tensor_digest(trained.weights), "log": sha256_bytes(log)})

