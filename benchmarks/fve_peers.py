"""Explained variance by the libraries' own functions, in an environment of their own; benchmarks/fve_formulas.py asks.

    .venv-peers/bin/python benchmarks/fve_peers.py FOLDER

The folder holds batches x_*.npy and x_hat_*.npy, (n, d) float32. Prints JSON: by formula, the package and its number.
"""

import importlib.metadata
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

Batches = list[tuple[torch.Tensor, torch.Tensor]]


def _sae_lens(batches: Batches) -> float:
    from sae_lens.evals import ExplainedVarianceCalculator

    calculator = ExplainedVarianceCalculator()
    for x_nd, x_hat_nd in batches:
        calculator.add_batch(sae_output=x_hat_nd, hidden_acts=x_nd)
    return calculator.compute()


class _Replay:
    """Stands in for a dictionary whose reconstructions are known."""

    dict_size = 1

    def __init__(self, batches: Batches) -> None:
        self._answers = iter(batches)

    def __call__(self, x_nd: torch.Tensor, output_features: bool) -> tuple[torch.Tensor, torch.Tensor]:
        return next(self._answers)[1], torch.ones(len(x_nd), 1)


def _dictionary_learning(batches: Batches) -> float:
    from dictionary_learning.evaluation import evaluate

    found = evaluate(_Replay(batches), (x_nd for x_nd, _ in batches), n_batches=len(batches))
    return found["frac_variance_explained"]


def _overcomplete(batches: Batches) -> float:
    from overcomplete.metrics import r2_score

    return float(r2_score(*(torch.cat(tensors) for tensors in zip(*batches, strict=True))))


# By the name that benchmarks/fve_formulas.py has for the formula.
_ASKED = {
    "r2_pooled": ("sae-lens", _sae_lens),
    "var_ratio_by_batch": ("dictionary-learning", _dictionary_learning),
    "scalar_mean_r2": ("overcomplete", _overcomplete),
}


def main(folder: Path) -> None:
    """Print what each says."""
    # Libraries print; the answer gets the real stdout to itself.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    names = sorted(folder.glob("x_hat_*.npy"))
    batches = [
        tuple(torch.from_numpy(np.load(path)) for path in (name.with_name(name.name.replace("x_hat", "x")), name))
        for name in names
    ]
    found = {
        formula: (f"{package} {importlib.metadata.version(package)}", score(batches))
        for formula, (package, score) in _ASKED.items()
    }
    print(json.dumps(found), file=answer, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
