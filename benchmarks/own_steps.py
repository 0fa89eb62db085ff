"""One architecture's training step of a tree of this project, timed as benchmarks/peers.py times the other libraries'.

    python benchmarks/own_steps.py TREE ARCHITECTURE THREADS

benchmarks/step.py starts it, once with its own tree and once with that of an earlier commit: what is called is what both have.
"""

import dataclasses
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(sys.argv[1]) / "workflow"))

import torch
from aurorascope.sae.objective import Objective, Settings
from aurorascope.training.optimiser import Adam
from peers import LR, Timer, read_tensors, serve
from peers_topk import K

MICRO_BATCH = 1024  # as in training on a CPU


def _settings(rows: int, architecture: str) -> Settings:
    told = {"target_l0": float(K), "rows": min(MICRO_BATCH, rows)}
    if "densest" in {field.name for field in dataclasses.fields(Settings)}:
        told["densest"] = importlib.import_module("aurorascope.sae.architectures").ARCHITECTURES[architecture].densest
    return Settings(**told)


def _timer(architecture: str, folder: Path) -> Timer:
    x_nd, w_dh, d_hd = read_tensors(folder)
    d, h = w_dh.shape
    parameters = {"W_enc": w_dh.clone(), "b_enc": torch.zeros(h), "W_dec": d_hd.clone(), "b_dec": torch.zeros(d)}
    module = importlib.import_module(f"aurorascope.sae.{architecture}")
    [kind] = [
        cls for cls in vars(module).values()
        if isinstance(cls, type) and issubclass(cls, Objective) and cls.__module__ == module.__name__
    ]
    parameters |= kind.extra_parameters(d, h)
    objective, optimiser = kind(parameters, _settings(len(x_nd), architecture)), Adam(parameters, LR)
    if "mix" in parameters:
        objective.anchor(d_hd)

    def steps(n: int) -> None:
        with torch.inference_mode():
            for _ in range(n):
                objective.compute(x_nd)
                optimiser.step(objective.grads)
                objective.constrain()

    return Timer(steps, x_nd, w_dh)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[3]))
    serve(lambda folder: _timer(sys.argv[2], folder), "")
